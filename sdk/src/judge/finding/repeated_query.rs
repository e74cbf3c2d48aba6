//! One request asks the database the same again and again, with the same values.

use perfdeck_bridge::protocol::{Confidence, Evidence, Finding, FindingStatus, NPlusOne, Severity};

use super::n_plus_one::{impact, recurs, repeated};
use super::{stable_id, told};
use crate::judge::window::{Query, Route, Statement, Window};

pub(super) fn look(window: &Window) -> impl Iterator<Item = Finding> + '_ {
    repeated(window, |used, _| recurs(used, used.manner.again))
        .map(move |(route, used, query)| finding(window, route, used, query))
}

fn finding(window: &Window, route: &Route, used: &Statement, query: &Query) -> Finding {
    let impact = impact(window, route, used);
    let title = format!(
        "repeated query: {} asks the same {:.0} times a request, p95 {} -> about {} if it asked once",
        route.name,
        used.per_request.p50,
        told(route.p95_seconds),
        told(impact.p95_seconds_after.unwrap_or_default()),
    );
    Finding {
        id: stable_id("repeated_query", &[&route.name, query.text.as_str()]),
        kind: "repeated_query".into(),
        severity: Severity::Warning,
        title,
        evidence: Evidence::NPlusOne(NPlusOne {
            route: route.name.to_string(),
            query: query.text.clone(),
            queries_per_request: used.per_request,
            time_share: used.time_share,
            rewrite: None,
        }),
        impact,
        confidence: Confidence::Verified,
        action: None,
        status: FindingStatus::Code,
        score_points: 0.0,
    }
}
