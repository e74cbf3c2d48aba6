//! The alerts, and the rules with their limits.

use perfdeck_bridge::protocol::{Alert, Alerts};

use super::MAX_ROWS;
use crate::agent::Agent;

/// What the alerts may take of a frame; the rules' limits take some 70 KiB at most.
const MAX_BYTES: usize = 160 * 1024;
/// What an alert takes beside its texts and its series.
const FIELDS: usize = 250;

pub(super) fn alerts(agent: &Agent) -> Alerts {
    let limits = agent.thresholds.told();
    Alerts {
        alerts: fitting(&agent.verdicts.alerts),
        rules: limits.len() as u32,
        limits,
    }
}

/// As many as a frame holds, the first ones.
fn fitting(alerts: &[Alert]) -> Vec<Alert> {
    let mut room = MAX_BYTES;
    let mut told = Vec::new();
    for alert in alerts.iter().take(MAX_ROWS) {
        let texts = alert.id.len() + alert.subject.len() + alert.message.len();
        let Some(left) = room.checked_sub(FIELDS + texts + 5 * alert.recent.len()) else {
            break;
        };
        room = left;
        told.push(alert.clone());
    }
    told
}
