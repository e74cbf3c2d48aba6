//! One request runs the same statement again and again, once for each row of another.

use perfdeck_bridge::protocol::{
    Confidence, Evidence, Finding, FindingStatus, Impact, NPlusOne, Redacted, Severity,
};

use super::{is_felt, stable_id, told};
use crate::judge::window::{Query, Route, Statement, Window};
use crate::sql::redacted;

/// Requests of the last minute that must have run it.
const LEAST_REQUESTS: u64 = 5;
/// Of a route's requests that run it at all, one in so many has to repeat it: what happens more rarely is not how it works.
const ONE_IN: u64 = 20;
/// The share of the route's time that the repeats take, or ...
const LEAST_SHARE: f64 = 0.2;
/// ... their seconds in a request.
const LEAST_SECONDS: f64 = 0.05;
/// The share of the users' wait from which it is critical.
const CRITICAL_SHARE: f64 = 0.25;
/// Rows of a call from which a limited one fetches pages.
const PAGE: f64 = 10.0;

pub(super) fn look(window: &Window) -> impl Iterator<Item = Finding> + '_ {
    repeated(window, |used, query| {
        recurs(used, used.manner.looping) && fetches_one_key(query.text.as_str(), rows(used))
    })
    .map(move |(route, used, query)| finding(window, route, used, query))
}

/// The statements that a request runs again and again in the way that is asked for, and that take time.
pub(super) fn repeated<'w>(
    window: &'w Window,
    is_so: impl Fn(&Statement, &Query) -> bool + Copy + 'w,
) -> impl Iterator<Item = (&'w Route, &'w Statement, &'w Query)> + 'w {
    window.routes.iter().flat_map(move |route| {
        route.statements.iter().filter_map(move |used| {
            let query = window.query(used.query)?;
            let found = is_so(used, query)
                && takes_time(route, used)
                && is_felt(
                    window,
                    impact(window, route, used).wait_share * window.wait_seconds,
                )
                && reads(query.text.as_str());
            found.then_some((route, used, query))
        })
    })
}

/// Whether so many of the requests are enough to say that it is how the route works.
pub(super) const fn recurs(used: &Statement, requests: u64) -> bool {
    requests >= LEAST_REQUESTS && requests * ONE_IN >= used.requests
}

fn takes_time(route: &Route, used: &Statement) -> bool {
    let seconds = used.time_share * route.wait_seconds / used.requests.max(1) as f64;
    used.time_share >= LEAST_SHARE || seconds >= LEAST_SECONDS
}

/// Writes in a loop are another fault with another remedy.
fn reads(text: &str) -> bool {
    let verb = text.split_whitespace().next().unwrap_or_default();
    verb.eq_ignore_ascii_case("select") || verb.eq_ignore_ascii_case("with")
}

fn rows(used: &Statement) -> f64 {
    used.manner.rows as f64 / used.calls.max(1) as f64
}

/// Whether a statement asks for what belongs to one key. Those that ask for many keys at once do already what would be
/// advised, and those that fetch a list page by page do so for a reason.
fn fetches_one_key(text: &str, rows: f64) -> bool {
    let text = text.to_ascii_lowercase();
    let one_key = text.contains("= ?");
    let many_keys = ["in (…)", "any (", "(values"]
        .iter()
        .any(|many| text.contains(many));
    let range = ["> ?", "< ?", ">= ?", "<= ?"]
        .iter()
        .any(|bound| text.contains(bound));
    let limited = text.contains(" limit ") || text.contains(" fetch ");
    let pages = text.contains(" offset ") || (limited && range);
    one_key && !many_keys && !(pages && rows >= PAGE)
}

fn finding(window: &Window, route: &Route, used: &Statement, query: &Query) -> Finding {
    let impact = impact(window, route, used);
    let title = format!(
        "N+1: {} runs one query {:.0} times a request, p95 {} -> about {} at once",
        route.name,
        used.per_request.p50,
        told(route.p95_seconds),
        told(impact.p95_seconds_after.unwrap_or_default()),
    );
    Finding {
        id: stable_id("n_plus_one", &[&route.name, query.text.as_str()]),
        kind: "n_plus_one".into(),
        severity: if impact.wait_share >= CRITICAL_SHARE {
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
        impact,
        // Where nobody saw the values, it may be the same again that it asks for.
        confidence: if 2 * used.manner.unsure > used.manner.looping {
            Confidence::Estimated
        } else {
            Confidence::Verified
        },
        action: None,
        status: FindingStatus::Code,
        score_points: 0.0,
    }
}

/// What it would bring if one call of each request stayed.
pub(super) fn impact(window: &Window, route: &Route, used: &Statement) -> Impact {
    let saved = used.time_share * (1.0 - 1.0 / used.per_request.p50.max(2.0));
    Impact {
        route: Some(route.name.to_string()),
        p95_seconds_now: Some(route.p95_seconds),
        p95_seconds_after: Some(route.p95_seconds * (1.0 - saved.min(1.0))),
        wait_share: window.share(route.wait_seconds * saved),
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
