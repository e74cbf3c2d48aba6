#[cfg(feature = "client")]
use serde::Deserialize;
use serde::Serialize;

/// Pools, connections to Redis and the service's own numbers.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[cfg_attr(feature = "client", derive(Deserialize))]
pub struct Host {
    /// The named pools.
    pub pools: Vec<PoolRow>,
    /// The service's own numbers, by name.
    pub metrics: Vec<MetricRow>,
    /// Further ones that are kept and not told: those that change least.
    #[cfg_attr(feature = "client", serde(default))]
    pub more_metrics: u64,
    /// Commands to Redis through connections that the deck was given, the most time first.
    #[cfg_attr(feature = "client", serde(default))]
    pub redis: Vec<RedisRow>,
    /// Further ones that are kept and not told.
    #[cfg_attr(feature = "client", serde(default))]
    pub more_redis: u64,
}

/// One connection pool.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[cfg_attr(feature = "client", derive(Deserialize))]
pub struct PoolRow {
    /// Its name.
    pub name: String,
    /// `postgresql` or `sqlite`.
    pub database: String,
    /// Open connections.
    pub open: u32,
    /// Connections in use.
    pub in_use: u32,
    /// The most it may open.
    pub max: u32,
    /// Waits for a connection since the start.
    pub acquires: u64,
    /// Waits that ran out of time, since the start.
    pub timeouts: u64,
    /// The 95th percentile of the last minute's waits.
    pub wait_p95_seconds: Option<f64>,
}

/// One command of a connection to Redis. Rates and percentiles are of the last minute.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[cfg_attr(feature = "client", derive(Deserialize))]
pub struct RedisRow {
    /// The connection's name.
    pub connection: String,
    /// The command's first word: `GET`. `<other>` is what is not told apart. `<pipeline>` and `<transaction>` are round trips
    /// of several commands, which are in rows of their own, too.
    pub command: String,
    /// Whether it is such a round trip, and no command.
    pub round_trip: bool,
    /// How often it was sent, since the start.
    pub calls: u64,
    /// Of these, the ones in a pipeline or transaction: they have no time of their own.
    pub pipelined: u64,
    /// Calls that failed, since the start: the server's errors, lost connections and timeouts. A round trip fails when there
    /// is no answer to it, or when its transaction was refused.
    pub errors: u64,
    /// Of the errors, those of calls that the client did not wait for any longer.
    pub timeouts: u64,
    /// Calls that the service gave up before there was an answer, since the start. They are no errors.
    pub given_up: u64,
    /// Calls a second.
    pub calls_per_second: f64,
    /// Failed calls as a share of all.
    pub error_ratio: f64,
    /// The median; `None` where none was timed.
    pub p50_seconds: Option<f64>,
    /// The 95th percentile.
    pub p95_seconds: Option<f64>,
    /// The seconds that the service waited for it, a second.
    pub wait_seconds_per_second: f64,
}

/// One number of the service's own. Rates and percentiles are of the last minute.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[cfg_attr(feature = "client", derive(Deserialize))]
pub struct MetricRow {
    /// Its name, with its labels if it has any: `jobs{queue="mail"}`.
    pub name: String,
    /// `counter`, `gauge` or `histogram`.
    pub kind: String,
    /// The sum of a counter since the start, the value of a gauge, the mean of a histogram's last minute.
    pub value: f64,
    /// How much a second a counter grew, how often a second a histogram was recorded; `None` for a gauge.
    pub per_second: Option<f64>,
    /// For a histogram, how many were recorded since the start.
    #[cfg_attr(feature = "client", serde(default))]
    pub count: Option<u64>,
    /// For a histogram, the median; `None` where nothing was recorded.
    #[cfg_attr(feature = "client", serde(default))]
    pub p50: Option<f64>,
    /// For a histogram, the 95th percentile.
    #[cfg_attr(feature = "client", serde(default))]
    pub p95: Option<f64>,
    /// For a histogram, the largest value.
    #[cfg_attr(feature = "client", serde(default))]
    pub max: Option<f64>,
    /// What it is counted in, where the service said so: `bytes`, `seconds`.
    #[cfg_attr(feature = "client", serde(default))]
    pub unit: Option<String>,
    /// What it means, where the service said so.
    #[cfg_attr(feature = "client", serde(default))]
    pub description: Option<String>,
    /// The last minute, second by second, of the numbers that change most: what was added to a counter, a gauge's value, a
    /// histogram's 95th percentile. `NaN` where nothing was recorded.
    #[cfg_attr(feature = "client", serde(default))]
    pub recent: Vec<f32>,
}

/// One monitored function. Percentiles and rates are of the last minute.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[cfg_attr(feature = "client", derive(Deserialize))]
pub struct FunctionRow {
    /// Its path.
    pub name: String,
    /// Calls since the start.
    pub calls: u64,
    /// Calls that returned an error, since the start.
    pub errors: u64,
    /// Calls a second.
    pub calls_per_second: f64,
    /// The median.
    pub p50_seconds: f64,
    /// The 95th percentile.
    pub p95_seconds: f64,
}
