//! The answer in words: the worst thing first, or that there is none.

use perfdeck_bridge::protocol::{Alert, AlertState, Evidence, Finding, Level, Severity, Summary};

use super::finding::{Book, is_open, told};
use super::window::Window;

pub(crate) fn summary(
    window: &Window,
    findings: &[Finding],
    alerts: &[Alert],
    book: &Book,
) -> Summary {
    let firing = alerts
        .iter()
        .find(|alert| alert.state == AlertState::Firing);
    // What makes nobody wait, as far as is known, is not why an alert fires.
    let worst = findings
        .iter()
        .find(|finding| is_open(finding) && (firing.is_none() || !is_upkeep(finding)));
    let level = |severity| {
        if severity == Severity::Critical {
            Level::Over
        } else {
            Level::Near
        }
    };
    match (worst, firing) {
        // An alert says that users suffer, a finding says why.
        (Some(finding), _) => Summary {
            level: level(finding.severity).max(firing.map_or(Level::Good, |a| level(a.severity))),
            text: sentence(finding),
            since: book.since(&finding.id),
            finding: Some(finding.id.clone()),
        },
        (None, Some(alert)) => Summary {
            level: level(alert.severity),
            text: format!("{}.", capital(&alert.message)),
            since: Some(alert.since),
            finding: None,
        },
        (None, None) if window.requests == 0 => Summary {
            text: "No requests in the last minute.".into(),
            ..Summary::default()
        },
        (None, None) => Summary {
            text: format!(
                "Healthy: p95 {}, {:.1} % errors, nothing to do.",
                told(window.p95_seconds),
                window.error_ratio() * 100.0
            ),
            ..Summary::default()
        },
    }
}

/// Whether it is about a database's upkeep or a statement's text, of which nobody knows what a remedy brings to whom.
fn is_upkeep(finding: &Finding) -> bool {
    let waits = ["database_blocked", "database_idle_in_transaction"];
    matches!(finding.evidence, Evidence::Database(_)) && !waits.contains(&finding.kind.as_str())
}

/// A finding in a few words.
pub(super) fn short(finding: &Finding) -> String {
    match &finding.evidence {
        Evidence::MissingIndex(evidence) => format!("missing index on {}", evidence.table),
        Evidence::NPlusOne(evidence) if finding.kind == "n_plus_one" => {
            format!("N+1 on {}", evidence.route)
        }
        Evidence::NPlusOne(evidence) => format!("repeated query on {}", evidence.route),
        Evidence::Cache(evidence) => format!("cache {}", evidence.cache),
        Evidence::MissingCache(evidence) => match &*evidence.name {
            "" => "a query without a cache".to_owned(),
            name => format!("no cache for {name}"),
        },
        Evidence::Database(_) if finding.kind.starts_with("statement_") => {
            finding.kind.replace('_', " ")
        }
        Evidence::Database(evidence) => format!("database: {}", evidence.subject),
        Evidence::Unknown {} => finding.kind.clone(),
    }
}

fn sentence(finding: &Finding) -> String {
    let impact = &finding.impact;
    match (
        &finding.evidence,
        &impact.route,
        impact.p95_seconds_now,
        impact.p95_seconds_after,
    ) {
        (Evidence::MissingIndex(evidence), Some(route), Some(now), Some(after)) => format!(
            "{route} waits {} (p95) because its query reads all of `{}`. An index would bring it to \
             about {}.",
            told(now),
            evidence.table,
            told(after)
        ),
        (Evidence::NPlusOne(evidence), Some(route), Some(now), Some(after)) => {
            let (runs, remedy) = if finding.kind == "n_plus_one" {
                ("runs one query", "Fetched at once")
            } else {
                ("asks the same", "Asked once")
            };
            format!(
                "{route} waits {} (p95) because each request {runs} {:.0} times. {remedy}, it would \
                 be about {}.",
                told(now),
                evidence.queries_per_request.p50,
                told(after)
            )
        }
        _ => format!("{}.", capital(&finding.title)),
    }
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(chars).collect()
    })
}
