//! What a database needs, by what it says of itself. Each rule has its bound from the server's own documentation where that
//! has one, and leaves small tables and what is just happening alone.

mod bloat;
mod blocked;
mod idle;
mod invalid_index;
mod sequence;
mod stale_statistics;

use perfdeck_bridge::protocol::{
    Confidence, DatabaseAdvice, DatabaseHealth, Evidence, Finding, FindingStatus, Impact,
    SessionRow, Severity,
};

use super::stable_id;
use crate::judge::facts::Facts;

/// Seconds for which upkeep is overdue before it is told: three of autovacuum's rounds, `autovacuum_naptime` being a minute.
const OVERDUE_SECONDS: f64 = 180.0;

pub(super) fn look(facts: &Facts) -> impl Iterator<Item = Finding> + '_ {
    let moments = facts
        .databases
        .iter()
        .flat_map(|health| blocked::look(health).chain(idle::look(health)));
    // What could not be asked may have changed since.
    let asked = facts
        .databases
        .iter()
        .filter(|health| health.failure.is_none());
    let states = asked.flat_map(|health| {
        sequence::look(health)
            .chain(bloat::look(health))
            .chain(stale_statistics::look(health))
            .chain(invalid_index::look(health))
    });
    moments.chain(states)
}

/// What a rule says.
struct Told {
    kind: &'static str,
    severity: Severity,
    subject: String,
    title: String,
    why: String,
    bound: String,
    remedy: String,
}

impl Told {
    fn finding(self, health: &DatabaseHealth) -> Finding {
        let pool = health.pools.first().cloned().unwrap_or_default();
        Finding {
            id: stable_id(self.kind, &[&pool, &self.subject]),
            kind: self.kind.into(),
            severity: self.severity,
            title: self.title,
            evidence: Evidence::Database(DatabaseAdvice {
                database_pool: pool,
                subject: self.subject,
                why: self.why,
                bound: self.bound,
                remedy: self.remedy,
            }),
            impact: Impact::default(),
            confidence: Confidence::Verified,
            action: None,
            status: FindingStatus::Code,
            score_points: 0.0,
        }
    }
}

/// A session in a few words.
fn who(session: &SessionRow) -> String {
    match (session.pid, session.application.as_str()) {
        (0, _) => "a prepared transaction".into(),
        (pid, "") => format!("pid {pid}"),
        (pid, application) => format!("pid {pid} ({application})"),
    }
}

/// What a session runs or ran last, and where that is from.
fn runs(session: &SessionRow) -> String {
    let statement = session.statement.as_ref();
    let statement = statement.map_or_else(String::new, |text| format!(": {}", text.as_str()));
    let route = session.route.as_ref();
    let route = route.map_or_else(String::new, |route| format!(", which {route} runs most"));
    format!("{statement}{route}")
}

/// A name of the server's as its statements need it. Names come as `schema.name`, so of one with a dot in it this is a guess.
fn quoted(name: &str) -> String {
    let part = |part: &str| format!("\"{}\"", part.replace('"', "\"\""));
    name.split('.').map(part).collect::<Vec<_>>().join(".")
}

/// A number of rows as a sentence says it.
fn rows(rows: u64) -> String {
    super::cache::grouped(rows).replace('_', " ")
}

fn mebibytes(bytes: u64) -> String {
    format!("{:.0} MiB", bytes as f64 / f64::from(1 << 20))
}

#[cfg(test)]
mod tests;
