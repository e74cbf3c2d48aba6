//! One request runs the same statement again and again, once for each row of another.

use perfdeck_bridge::protocol::{
    Confidence, Evidence, Finding, FindingStatus, Impact, NPlusOne, Redacted, Severity,
};

use super::{stable_id, told};
use crate::judge::window::{Query, Route, Statement, Window};
use crate::sql::redacted;

/// Calls in one request from which it is a repeat.
const LEAST_CALLS: f64 = 5.0;
/// Requests of the last minute that must have run it.
const LEAST_REQUESTS: u64 = 5;
/// The share of the route's time that the repeats take, or ...
const LEAST_SHARE: f64 = 0.2;
/// ... their seconds in a request.
const LEAST_SECONDS: f64 = 0.05;
/// The share of the users' wait from which it is critical.
const CRITICAL_SHARE: f64 = 0.25;

pub(super) fn look(window: &Window) -> impl Iterator<Item = Finding> + '_ {
    window.routes.iter().flat_map(move |route| {
        route.statements.iter().filter_map(move |used| {
            let query = window.query(used.query)?;
            repeats(route, used, query).then(|| finding(window, route, used, query))
        })
    })
}

fn repeats(route: &Route, used: &Statement, query: &Query) -> bool {
    let seconds = used.time_share * route.wait_seconds / used.requests.max(1) as f64;
    used.requests >= LEAST_REQUESTS
        && used.per_request.p95 >= LEAST_CALLS
        && (used.time_share >= LEAST_SHARE || seconds >= LEAST_SECONDS)
        && reads(query.text.as_str())
}

/// Writes in a loop are another fault with another remedy.
fn reads(text: &str) -> bool {
    let verb = text.split_whitespace().next().unwrap_or_default();
    verb.eq_ignore_ascii_case("select") || verb.eq_ignore_ascii_case("with")
}

fn finding(window: &Window, route: &Route, used: &Statement, query: &Query) -> Finding {
    // One call stays: the one that fetches all at once.
    let saved = used.time_share * (1.0 - 1.0 / used.per_request.p50.max(2.0));
    let after = route.p95_seconds * (1.0 - saved.min(1.0));
    let wait_share = window.share(route.wait_seconds * saved);
    let title = format!(
        "N+1: {} runs one query {:.0} times a request, p95 {} -> about {} at once",
        route.name,
        used.per_request.p50,
        told(route.p95_seconds),
        told(after),
    );
    Finding {
        id: stable_id("n_plus_one", &[&route.name, query.text.as_str()]),
        kind: "n_plus_one".into(),
        severity: if wait_share >= CRITICAL_SHARE {
            Severity::Critical
        } else {
            Severity::Warning
        },
        title,
        evidence: Evidence::NPlusOne(NPlusOne {
            route: route.name.to_string(),
            query: query.text.clone(),
            queries_per_request: used.per_request,
            time_share: used.time_share,
            rewrite: rewrite(query.text.as_str()),
        }),
        impact: Impact {
            route: Some(route.name.to_string()),
            p95_seconds_now: Some(route.p95_seconds),
            p95_seconds_after: Some(after),
            wait_share,
        },
        confidence: Confidence::Verified,
        action: None,
        status: FindingStatus::Code,
        score_points: 0.0,
    }
}

/// The same statement for many keys; a sketch, since only the code knows what the rows are for.
fn rewrite(text: &str) -> Option<Redacted> {
    let at = text.to_ascii_lowercase().find(" where ")?;
    let (head, condition) = text.split_at(at);
    let (before, after) = condition.split_once("= ?")?;
    let (_, sketch) = redacted::statement(&format!("{head}{before}IN (…){after}"));
    Some(sketch)
}
