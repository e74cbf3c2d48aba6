//! Somebody holds a lock that others wait for.

use std::collections::{BTreeMap, BTreeSet};

use perfdeck_bridge::protocol::{BlockedRow, DatabaseHealth, Finding, Severity};

use super::{Told, runs, who};
use crate::judge::finding::told;

/// Seconds of waiting from which it is told. The server looks for deadlocks after one (`deadlock_timeout`), which it expects
/// ordinary waits to be shorter than; five of them are no ordinary wait.
const LEAST_SECONDS: f64 = 5.0;
/// From which it is critical.
const CRITICAL_SECONDS: f64 = 30.0;

pub(super) fn look(health: &DatabaseHealth) -> impl Iterator<Item = Finding> + '_ {
    let mut blockers: BTreeMap<i32, Vec<&BlockedRow>> = BTreeMap::new();
    for row in &health.blocked {
        blockers.entry(row.blocker.pid).or_default().push(row);
    }
    // Who waits for one that waits itself is told with the one that holds up both.
    let waiting: Vec<i32> = health.blocked.iter().map(|row| row.waiting.pid).collect();
    blockers.into_iter().filter_map(move |(pid, rows)| {
        let longest = rows
            .iter()
            .max_by(|a, b| a.wait_seconds.total_cmp(&b.wait_seconds))?;
        let head = !waiting.contains(&pid);
        (head && longest.wait_seconds >= LEAST_SECONDS)
            .then(|| finding(health, longest, held_up(&health.blocked, pid)))
    })
}

/// How many sessions wait for this one, or for one that does.
fn held_up(blocked: &[BlockedRow], head: i32) -> usize {
    let mut held = BTreeSet::new();
    loop {
        let before = held.len();
        for row in blocked {
            if row.blocker.pid == head || held.contains(&row.blocker.pid) {
                held.insert(row.waiting.pid);
            }
        }
        if held.len() == before {
            return before;
        }
    }
}

fn finding(health: &DatabaseHealth, longest: &BlockedRow, waiting: usize) -> Finding {
    let blocker = &longest.blocker;
    let lock = longest.relation.as_ref().map_or_else(
        || longest.lock.clone(),
        |relation| format!("{} of {relation}", longest.lock),
    );
    let does = match blocker.state.as_str() {
        "" => String::new(),
        state => format!(", {state} for {}", told(blocker.state_seconds)),
    };
    let others = match waiting {
        1 => "a session waits".to_owned(),
        more => format!("{more} sessions wait"),
    };
    Told {
        kind: "database_blocked",
        severity: if longest.wait_seconds >= CRITICAL_SECONDS {
            Severity::Critical
        } else {
            Severity::Warning
        },
        subject: who(blocker),
        title: format!(
            "{} holds a lock that {others} for, for {}{does}",
            who(blocker),
            told(longest.wait_seconds),
        ),
        why: format!(
            "{} waits for the lock {lock}{}. The holder's last statement{}.",
            who(&longest.waiting),
            runs(&longest.waiting),
            runs(blocker)
        ),
        bound: format!(
            "deadlock_timeout, 1 s, is what the server expects ordinary waits to be under (PostgreSQL, Lock \
             Management). Told from {LEAST_SECONDS:.0} s, critical from {CRITICAL_SECONDS:.0} s.",
        ),
        remedy: match blocker.pid {
            0 => "end the prepared transaction, which pg_prepared_xacts names: ROLLBACK PREPARED".into(),
            pid => format!(
                "end the transaction where it began, or: SELECT pg_terminate_backend({pid})"
            ),
        },
    }
    .finding(health)
}
