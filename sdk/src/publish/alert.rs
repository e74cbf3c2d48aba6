//! The alerts, and the rules with their limits.

use perfdeck_bridge::protocol::{Alert, Alerts};

use super::MAX_ROWS;
use crate::agent::Agent;
use crate::judge::alert::Thresholds;

/// What the alerts may take of a frame; the rules' limits take some 70 KiB at most.
const MAX_BYTES: usize = 160 * 1024;
/// What an alert takes beside its texts and its series.
const FIELDS: usize = 250;

pub(super) fn alerts(agent: &Agent) -> Alerts {
    told(&agent.verdicts.alerts, &agent.thresholds)
}

fn told(alerts: &[Alert], thresholds: &Thresholds) -> Alerts {
    let limits = thresholds.told();
    Alerts {
        alerts: fitting(alerts),
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use perfdeck_bridge::codec::{self, LENGTH, MAX_FRAME};
    use perfdeck_bridge::protocol::{AlertState, FromHost, Severity, State, Timestamp, Update};

    use super::*;
    use crate::judge::alert::Rule;

    fn alert(place: usize, bytes: usize) -> Alert {
        let subject = format!("{place:0>bytes$}");
        Alert {
            id: format!("response_time_p95-{subject}-1700000000"),
            rule: "response_time_p95".into(),
            message: format!(
                "response time (p95) of `{subject}`: 3.00 s, over its limit of 2.00 s"
            ),
            subject,
            severity: Severity::Critical,
            state: AlertState::Firing,
            value: 3.0,
            threshold: 2.0,
            unit: "seconds".into(),
            since: Timestamp::from_micros(1_700_000_000_000_000),
            resolved_at: Some(Timestamp::from_micros(1_700_000_000_000_000)),
            recent: vec![3.0; 60],
        }
    }

    /// Tells 400 alerts of subjects so long beside as many limits as there can be; returns how many are told.
    fn check(bytes: usize) -> usize {
        let mut thresholds = Thresholds::default();
        for place in 0..200 {
            let route = format!("{place:0>200}");
            thresholds
                .set_route(&route, Rule::ResponseTimeP95, 1.5)
                .unwrap();
        }
        let alerts: Vec<_> = (0..400).map(|place| alert(place, bytes)).collect();
        let told = told(&alerts, &thresholds);
        assert_eq!(told.limits.len(), 207);
        let number = told.alerts.len();
        let update = FromHost::Update(Arc::new(Update {
            at: Timestamp::default(),
            state: State::Alerts(told),
            left_out: 0,
        }));
        let frame = codec::encode(&update).unwrap();
        assert!(frame.len() <= LENGTH + MAX_FRAME);
        number
    }

    #[test]
    fn alerts_and_limits_fit_a_frame_whatever_their_names() {
        assert_eq!(check(10), MAX_ROWS);
        assert!((50..MAX_ROWS).contains(&check(200)));
        assert!((1..50).contains(&check(5_000)));
    }
}
