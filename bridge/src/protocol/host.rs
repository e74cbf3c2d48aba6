#[cfg(feature = "client")]
use serde::Deserialize;
use serde::Serialize;

/// Pools and the service's own numbers.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[cfg_attr(feature = "client", derive(Deserialize))]
pub struct Host {
    /// The named pools.
    pub pools: Vec<PoolRow>,
    /// Counters and gauges of the service.
    pub metrics: Vec<MetricRow>,
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

/// One counter or gauge.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[cfg_attr(feature = "client", derive(Deserialize))]
pub struct MetricRow {
    /// Its name.
    pub name: String,
    /// `counter` or `gauge`.
    pub kind: String,
    /// Its value.
    pub value: f64,
    /// For a counter, how much a second; `None` for a gauge.
    pub per_second: Option<f64>,
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
