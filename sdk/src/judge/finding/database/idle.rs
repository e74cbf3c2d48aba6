//! A client left a transaction open.

use perfdeck_bridge::protocol::{DatabaseHealth, Finding, SessionRow, Severity};

use super::{Told, runs, who};
use crate::judge::finding::told;

/// Seconds between two statements of a transaction from which it was left, and not slow.
const LEAST_SECONDS: f64 = 30.0;
/// From which it is critical.
const CRITICAL_SECONDS: f64 = 300.0;

pub(super) fn look(health: &DatabaseHealth) -> impl Iterator<Item = Finding> + '_ {
    let left = |session: &&SessionRow| {
        session.state.starts_with("idle in transaction") && session.state_seconds >= LEAST_SECONDS
    };
    health
        .sessions
        .iter()
        .filter(left)
        .map(|session| finding(health, session))
}

fn finding(health: &DatabaseHealth, session: &SessionRow) -> Finding {
    Told {
        kind: "database_idle_in_transaction",
        severity: if session.state_seconds >= CRITICAL_SECONDS {
            Severity::Critical
        } else {
            Severity::Warning
        },
        subject: who(session),
        title: format!(
            "{} left a transaction open: it is {} for {}",
            who(session),
            session.state,
            told(session.state_seconds)
        ),
        why: format!(
            "The transaction began {} ago; its last statement{}.",
            told(session.transaction_seconds),
            runs(session)
        ),
        bound: format!(
            "an open transaction keeps its locks, and keeps dead rows from being cleaned up (PostgreSQL, \
             idle_in_transaction_session_timeout). Told from {LEAST_SECONDS:.0} s.",
        ),
        remedy: "commit or roll back before anything else is waited for, and set idle_in_transaction_session_timeout".into(),
    }
    .finding(health)
}
