#[cfg(feature = "client")]
use serde::Deserialize;
use serde::Serialize;

/// All cache namespaces, by what they save.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[cfg_attr(feature = "client", derive(Deserialize))]
pub struct Caches {
    /// The namespaces.
    pub namespaces: Vec<CacheRow>,
}

/// One namespace.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[cfg_attr(feature = "client", derive(Deserialize))]
pub struct CacheRow {
    /// Its name.
    pub namespace: String,
    /// Entries that a look-up could answer now.
    pub entries: u64,
    /// How many fit.
    pub capacity: u64,
    /// How long an entry is served; `None` for ever.
    pub ttl_seconds: Option<f64>,
    /// Look-ups answered, since the start.
    pub hits: u64,
    /// Look-ups not answered, since the start.
    pub misses: u64,
    /// Loads run, since the start.
    pub loads: u64,
    /// Loads that failed, since the start.
    pub load_errors: u64,
    /// Look-ups that waited for somebody else's load, since the start.
    pub joined: u64,
    /// Entries pushed out by others, since the start.
    pub evictions: u64,
    /// Invalidations, since the start.
    pub invalidations: u64,
    /// Hits of the last minute's look-ups; `None` without look-ups.
    pub hit_ratio: Option<f64>,
    /// Look-ups a second over the last minute.
    pub lookups_per_second: f64,
    /// The 95th percentile of a load.
    pub load_p95_seconds: Option<f64>,
    /// Seconds of loading saved a second.
    pub saved_seconds_per_second: f64,
    /// The hit ratio's last values, oldest first; `NaN` where there were no look-ups.
    pub recent: Vec<f32>,
    /// Until when a clear can be undone, and by which row of the ledger.
    pub undo: Option<super::LedgerId>,
}
