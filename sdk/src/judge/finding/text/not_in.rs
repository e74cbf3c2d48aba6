//! What a subquery returns is excluded with `NOT IN`.

use perfdeck_bridge::protocol::Confidence;

use super::{Told, told};
use crate::judge::facts::TextFact;
use crate::judge::window::Query;

/// Seconds of a call from which it is told: a hashed subquery, which PostgreSQL makes of a small one, is faster.
const LEAST_SECONDS: f64 = 0.01;

pub(super) fn tell(fact: &TextFact, query: &Query) -> Option<Told> {
    (query.mean_seconds >= LEAST_SECONDS).then(|| Told {
        kind: "statement_not_in",
        title: format!("NOT IN with a subquery on {}", fact.table),
        why: format!(
            "PostgreSQL makes no join of NOT IN (SELECT ..): rows of {} are compared with a list, which is gone through for \
             each once it is larger than work_mem. And one NULL in it leaves no row at all.",
            fact.table
        ),
        bound: format!("told from {} a call", told(LEAST_SECONDS)),
        remedy: "NOT EXISTS (SELECT FROM .. WHERE .. = ..), which becomes a join; it differs where the subquery returns a NULL"
            .into(),
        confidence: Confidence::Heuristic,
    })
}
