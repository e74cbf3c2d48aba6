//! Alerts: a rule over a series, for how long it must hold, and how far it must fall back to be over.

mod rule;

use std::collections::BTreeMap;
use std::time::Duration;

use perfdeck_bridge::protocol::{Alert, AlertState, Timestamp};

use self::rule::{RULES, Rule};
use super::window::Window;

/// How long a resolved alert is still shown.
const HISTORY: Duration = Duration::from_secs(15 * 60);
/// Alerts kept, resolved ones included.
const MAX_ALERTS: usize = 200;
/// Values of its series that an alert shows.
const RECENT: usize = 60;

/// The alerts of one deck.
#[derive(Debug, Default)]
pub(crate) struct Book {
    live: BTreeMap<(&'static str, String), Alert>,
    resolved: Vec<Alert>,
}

/// How many rules are watched.
pub(crate) const fn rules() -> u32 {
    RULES.len() as u32
}

impl Book {
    /// Looks at each rule; returns the alerts, firing first, then pending, then what resolved lately.
    pub(crate) fn step(&mut self, window: &Window, now: Timestamp) -> Vec<Alert> {
        for rule in &RULES {
            let seen = (rule.series)(window);
            for (subject, value) in &seen {
                self.look(rule, subject, *value, now);
            }
            // A pool or a cache that is gone, or too little traffic to tell: the alert is over.
            let gone: Vec<_> = self
                .live
                .keys()
                .filter(|(name, subject)| {
                    *name == rule.name && !seen.iter().any(|(seen, _)| seen == subject)
                })
                .cloned()
                .collect();
            for key in gone {
                self.resolve(&key, now);
            }
        }
        self.resolved.retain(|alert| {
            alert
                .resolved_at
                .is_some_and(|resolved| now.since(resolved) < HISTORY)
        });
        let mut alerts: Vec<_> = self.live.values().cloned().collect();
        alerts.sort_by_key(|alert| {
            (
                alert.state != AlertState::Firing,
                std::cmp::Reverse(alert.severity),
                alert.since,
            )
        });
        alerts.extend(self.resolved.iter().rev().cloned());
        alerts
    }

    fn look(&mut self, rule: &Rule, subject: &str, value: f64, now: Timestamp) {
        let key = (rule.name, subject.to_owned());
        let Some(alert) = self.live.get_mut(&key) else {
            if rule.holds(value) && self.live.len() < MAX_ALERTS {
                let alert = rule.alert(subject, value, now);
                self.live.insert(key, alert);
            }
            return;
        };
        alert.value = value;
        if alert.recent.len() == RECENT {
            alert.recent.remove(0);
        }
        alert.recent.push(value as f32);
        match alert.state {
            AlertState::Pending if !rule.holds(value) => {
                // It never fired, so there is nothing to remember.
                self.live.remove(&key);
            }
            AlertState::Firing if rule.is_over(value) => self.resolve(&key, now),
            AlertState::Pending if now.since(alert.since) >= rule.hold => {
                alert.state = AlertState::Firing;
                alert.message = rule.message(subject, value);
            }
            AlertState::Pending | AlertState::Firing | AlertState::Resolved => {
                alert.message = rule.message(subject, value);
            }
        }
    }

    fn resolve(&mut self, key: &(&'static str, String), now: Timestamp) {
        let Some(mut alert) = self.live.remove(key) else {
            return;
        };
        if alert.state != AlertState::Firing {
            return;
        }
        alert.state = AlertState::Resolved;
        alert.resolved_at = Some(now);
        if self.resolved.len() == MAX_ALERTS {
            self.resolved.remove(0);
        }
        self.resolved.push(alert);
    }
}

#[cfg(test)]
mod tests;
