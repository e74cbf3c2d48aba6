//! The recorder of `metrics-exporter-prometheus`.

use std::time::Duration;

use anyhow::Result;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

/// How often the exporter's own server does the upkeep.
const UPKEEP: Duration = Duration::from_secs(5);

/// Installs the recorder and a thread for its upkeep.
///
/// # Errors
///
/// If there is a recorder already.
pub fn install() -> Result<PrometheusHandle> {
    let handle = PrometheusBuilder::new().install_recorder()?;
    let upkeep = handle.clone();
    std::thread::Builder::new()
        .name("upkeep".to_owned())
        .spawn(move || {
            loop {
                std::thread::sleep(UPKEEP);
                upkeep.run_upkeep();
            }
        })?;
    Ok(handle)
}

/// Does the upkeep now: until then values only pile up.
pub fn settle(handle: &PrometheusHandle) {
    handle.run_upkeep();
}

/// Adds up the samples whose name is this.
#[must_use]
pub fn sum(handle: &PrometheusHandle, name: &str) -> u64 {
    let text = handle.render();
    let of_name = |line: &&str| {
        let rest = line.strip_prefix(name);
        rest.is_some_and(|rest| rest.starts_with(['{', ' ']))
    };
    let values = text.lines().filter(of_name);
    let values = values.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok());
    values.sum()
}
