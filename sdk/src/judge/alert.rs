//! Alerts: a rule over a series, for how long it must hold, and how far it must fall back to be over.

mod rule;
mod threshold;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use perfdeck_bridge::protocol::{Alert, AlertState, Timestamp};

pub use self::rule::Rule;
pub(crate) use self::threshold::{Shared, Thresholds, Unfit};
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
    live: BTreeMap<Key, Alert>,
    resolved: Vec<Alert>,
    /// What was put away while it fired, and still does.
    cleared: BTreeSet<Key>,
}

/// A rule and its subject.
type Key = (Rule, String);

/// A series at one moment.
struct Seen {
    subject: String,
    value: f64,
    limit: f64,
}

impl Book {
    /// Looks at each rule; returns the alerts as [`Book::told`] does.
    pub(crate) fn step(
        &mut self,
        window: &Window,
        thresholds: &Thresholds,
        now: Timestamp,
    ) -> Vec<Alert> {
        for rule in Rule::ALL {
            let seen = seen(rule, window, thresholds);
            for seen in &seen {
                self.look(rule, seen, now);
            }
            // A pool, a cache or a limit that is gone, or too little traffic to tell: the alert is over.
            let is_gone = |(of, subject): &&Key| {
                *of == rule && !seen.iter().any(|seen| seen.subject == *subject)
            };
            let gone: Vec<_> = self.live.keys().filter(is_gone).cloned().collect();
            for key in gone {
                self.resolve(&key, now);
            }
            self.cleared.retain(|key| !is_gone(&key));
        }
        self.resolved.retain(|alert| {
            alert
                .resolved_at
                .is_some_and(|resolved| now.since(resolved) < HISTORY)
        });
        self.told()
    }

    /// Returns the alerts: firing first, then pending, then what resolved lately.
    pub(crate) fn told(&self) -> Vec<Alert> {
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

    /// Forgets what resolved, and puts away what fires until it has been over once; returns how many that were.
    pub(crate) fn clear(&mut self) -> usize {
        let firing = self
            .live
            .extract_if(.., |_, alert| alert.state == AlertState::Firing);
        let before = self.cleared.len();
        self.cleared.extend(firing.map(|(key, _)| key));
        let put_away = self.cleared.len() - before;
        put_away + std::mem::take(&mut self.resolved).len()
    }

    fn look(&mut self, rule: Rule, seen: &Seen, now: Timestamp) {
        let Seen {
            ref subject,
            value,
            limit,
        } = *seen;
        let key = (rule, subject.clone());
        if self.cleared.contains(&key) {
            if rule.is_over(value, limit) {
                self.cleared.remove(&key);
            }
            return;
        }
        let Some(alert) = self.live.get_mut(&key) else {
            // What was put away has its place, too.
            let kept = self.live.len() + self.cleared.len();
            if rule.holds(value, limit) && kept < MAX_ALERTS {
                let alert = rule.alert(subject, value, limit, now);
                self.live.insert(key, alert);
            }
            return;
        };
        alert.value = value;
        alert.threshold = limit;
        if alert.recent.len() == RECENT {
            alert.recent.remove(0);
        }
        alert.recent.push(value as f32);
        match alert.state {
            AlertState::Pending if !rule.holds(value, limit) => {
                // It never fired, so there is nothing to remember.
                self.live.remove(&key);
            }
            AlertState::Firing if rule.is_over(value, limit) => self.resolve(&key, now),
            AlertState::Pending if now.since(alert.since) >= rule.terms().hold => {
                alert.state = AlertState::Firing;
                alert.message = rule.message(subject, value, limit);
            }
            AlertState::Pending | AlertState::Firing | AlertState::Resolved => {
                alert.message = rule.message(subject, value, limit);
            }
        }
    }

    fn resolve(&mut self, key: &Key, now: Timestamp) {
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

/// A rule's series: the service's, and those of the routes that have a limit of their own.
fn seen(rule: Rule, window: &Window, thresholds: &Thresholds) -> Vec<Seen> {
    let limit = thresholds.limit(rule);
    let whole = rule.series(window).into_iter();
    let whole = whole.map(|(subject, value)| Seen {
        subject,
        value,
        limit,
    });
    let routes = thresholds.of_routes(rule).filter_map(|(name, limit)| {
        let place = window
            .watched
            .binary_search_by(|route| (*route.name).cmp(name));
        let route = window.watched.get(place.ok()?)?;
        Some(Seen {
            subject: name.to_owned(),
            value: rule.of_route(route)?,
            limit,
        })
    });
    whole.chain(routes).collect()
}

#[cfg(test)]
mod tests;
