#[cfg(feature = "client")]
use serde::Deserialize;
use serde::Serialize;

/// All cache namespaces, by what they save.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[cfg_attr(feature = "client", derive(Deserialize))]
pub struct Caches {
    /// The namespaces.
    pub namespaces: Vec<CacheRow>,
    /// What the instances share through Redis; `None` if it isn't asked for.
    #[cfg_attr(feature = "client", serde(default))]
    pub shared: Option<SharedCaches>,
    /// The queries that were to be cached and went to the database instead, by why, since the start.
    #[cfg_attr(feature = "client", serde(default))]
    pub bypassed_queries: Vec<BypassedQueries>,
}

/// Queries that were to be cached and could not be.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[cfg_attr(feature = "client", derive(Deserialize))]
pub struct BypassedQueries {
    /// `executor` (in a transaction, on a single connection, on a pool that the deck doesn't wrap), `unreadable`, `no_query`,
    /// `locks`, `volatile`, `catalog`, `many_tables` or `values`.
    pub why: String,
    /// How many.
    pub queries: u64,
}

/// Entries that are no longer held, by why, since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[cfg_attr(feature = "client", derive(Deserialize))]
pub struct Evicted {
    /// Pushed out by others, whatever they were worth by then.
    pub capacity: u64,
    /// Their time was over, and they were swept or loaded anew.
    pub expired: u64,
    /// They were invalidated, and are swept or loaded anew since.
    pub invalidated: u64,
    /// They were good, and a newer value took their place.
    pub replaced: u64,
}

/// How an instance stands with the others that share its caches. Counts are since the start.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[cfg_attr(feature = "client", derive(Deserialize))]
pub struct SharedCaches {
    /// Whether Redis answered when it was asked last.
    pub attached: bool,
    /// How long after an invalidation anywhere this instance may serve the old value.
    pub staleness_bound_seconds: f64,
    /// Invalidations that Redis hasn't got yet.
    pub deferred: u64,
    /// Invalidations of other instances that were followed.
    pub received: u64,
    /// Times when Redis had lost part of what there was to follow, so that all entries were dropped.
    pub gaps: u64,
    /// Times when Redis had gone back to a time before an invalidation.
    pub rollbacks: u64,
    /// Times when Redis didn't answer.
    pub errors: u64,
    /// Look-ups that waited for another instance's load.
    #[cfg_attr(feature = "client", serde(default))]
    pub waited: u64,
    /// Loads that every instance ran for itself, since it couldn't have the key's lease.
    #[cfg_attr(feature = "client", serde(default))]
    pub unleased: u64,
    /// Values that were not what they should be: broken, foreign, or too long.
    #[cfg_attr(feature = "client", serde(default))]
    pub undecodable: u64,
    /// Values that were loaded and not put into Redis: too long, too late, or too many at once.
    #[cfg_attr(feature = "client", serde(default))]
    pub not_stored: u64,
}

/// What other policies would bring to a namespace, predicted from the look-ups of some of its keys.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[cfg_attr(feature = "client", derive(Deserialize))]
pub struct CacheForecast {
    /// Why some of it isn't told.
    pub silence: Option<ForecastSilence>,
    /// The look-ups that it is made of.
    pub lookups: u64,
    /// What part of them hit, or waited for a load that was under way.
    pub measured: Option<f64>,
    /// What part should have, by the same prediction of the policy as it is.
    pub predicted: Option<f64>,
    /// Other capacities, and the present one, smallest first.
    pub capacities: Vec<Forecast>,
    /// Other evictions.
    pub evictions: Vec<Forecast>,
    /// Other times to live, shortest first.
    pub ttls: Vec<Forecast>,
}

/// What one policy would bring.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[cfg_attr(feature = "client", derive(Deserialize))]
pub struct Forecast {
    /// How many entries fit, or bytes where the namespace counts those.
    pub capacity: u64,
    /// Which entry has to go.
    pub eviction: String,
    /// How long an entry is fresh; `None` for ever.
    pub ttl_seconds: Option<f64>,
    /// Hits of all look-ups.
    pub hit_ratio: f64,
    /// How far off that may be.
    pub error: f64,
    /// Seconds of loading that it saves a second, beside what is saved now; negative where it costs.
    pub saved_seconds_per_second: f64,
}

/// Why no forecast is told, or not all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "client", derive(Deserialize))]
#[serde(rename_all = "snake_case")]
pub enum ForecastSilence {
    /// Too few look-ups so far.
    TooFewLookups,
    /// It was never full, so that nothing is told of capacities and evictions.
    NeverFull,
    /// The policy as it is was predicted too far from what was measured.
    Off,
    /// The sample leaves too much open.
    Unsure,
    /// The deck's own budget has no room for it.
    NoRoom,
    /// Its look-ups are of a kind that isn't sampled.
    NotSampled,
    /// A newer host's reason.
    #[serde(other)]
    Other,
}

/// One namespace.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[cfg_attr(feature = "client", derive(Deserialize))]
pub struct CacheRow {
    /// Its name.
    pub namespace: String,
    /// Entries that a look-up could answer now.
    pub entries: u64,
    /// How many fit, or how many bytes if `capacity_in_bytes`.
    pub capacity: u64,
    /// What `capacity` counts.
    #[cfg_attr(feature = "client", serde(default))]
    pub capacity_in_bytes: bool,
    /// What the entries take, as far as their functions say; those too that only an undo could bring back.
    #[cfg_attr(feature = "client", serde(default))]
    pub bytes: u64,
    /// How long an entry is fresh; `None` for ever.
    pub ttl_seconds: Option<f64>,
    /// Look-ups answered, since the start.
    pub hits: u64,
    /// The hits on entries past their time, which the policy allows while they are refreshed.
    #[cfg_attr(feature = "client", serde(default))]
    pub stale_hits: u64,
    /// The hits that said that there is nothing.
    #[cfg_attr(feature = "client", serde(default))]
    pub negative_hits: u64,
    /// Answers with an entry kept for loads that fail, since the start.
    #[cfg_attr(feature = "client", serde(default))]
    pub fail_safe: u64,
    /// Look-ups not answered, since the start.
    pub misses: u64,
    /// Loads run, since the start.
    pub loads: u64,
    /// The loads that refreshed an entry in the background.
    #[cfg_attr(feature = "client", serde(default))]
    pub refreshes: u64,
    /// Loads that failed, since the start.
    pub load_errors: u64,
    /// Look-ups that waited for somebody else's load, since the start.
    pub joined: u64,
    /// Look-ups not answered here that Redis had a value for, loaded by another instance, since the start.
    #[cfg_attr(feature = "client", serde(default))]
    pub shared_hits: u64,
    /// Look-ups that Redis had no value for, either, since the start.
    #[cfg_attr(feature = "client", serde(default))]
    pub shared_misses: u64,
    /// Entries pushed out by others, since the start.
    pub evictions: u64,
    /// Entries that are no longer held, by why.
    #[cfg_attr(feature = "client", serde(default))]
    pub evicted: Evicted,
    /// Whether other instances get some of its values from Redis; what isn't there is in this instance's memory alone.
    #[cfg_attr(feature = "client", serde(default))]
    pub in_redis: bool,
    /// The shortest and the longest time that its entries were fresh for, which may each ask for their own; `None` in it is
    /// for ever.
    #[cfg_attr(feature = "client", serde(default))]
    pub asked_ttl_seconds: Option<[Option<f64>; 2]>,
    /// Invalidations, since the start.
    pub invalidations: u64,
    /// Hits of the last minute's look-ups; `None` without look-ups.
    pub hit_ratio: Option<f64>,
    /// Look-ups a second over the last minute.
    pub lookups_per_second: f64,
    /// The 95th percentile of a load.
    pub load_p95_seconds: Option<f64>,
    /// How old an entry is when it is hit, at the median; `None` while no hit was looked at, which one in 64 is.
    #[cfg_attr(feature = "client", serde(default))]
    pub age_at_hit_p50_seconds: Option<f64>,
    /// Seconds of loading saved a second.
    pub saved_seconds_per_second: f64,
    /// The same for each MiB that the entries take; `None` where nothing is held, or an older host doesn't say.
    #[cfg_attr(feature = "client", serde(default))]
    pub saved_seconds_per_second_and_mib: Option<f64>,
    /// Which entry has to go when it is full: `default`, `lru` or `tiny_lfu`; empty from an older host.
    #[cfg_attr(feature = "client", serde(default))]
    pub eviction: String,
    /// What other policies would bring; `None` while it isn't looked at.
    #[cfg_attr(feature = "client", serde(default))]
    pub forecast: Option<CacheForecast>,
    /// The hit ratio's last values, oldest first; `NaN` where there were no look-ups.
    pub recent: Vec<f32>,
    /// Until when a clear can be undone, and by which row of the ledger.
    pub undo: Option<super::LedgerId>,
}
