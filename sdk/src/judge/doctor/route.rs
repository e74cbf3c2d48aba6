//! Requests: whether they can be told apart by route.

use perfdeck_bridge::protocol::{BlindSpot, Blindness};

use super::{Facts, spot};

/// Unmatched requests out of which one is told of: some paths are always asked for in vain.
const SOME: u64 = 10;

/// Requests came, and none matched a template, or too many did not.
pub(super) fn no_template(facts: &Facts) -> Option<BlindSpot> {
    let (requests, unmatched) = (facts.requests, facts.unmatched);
    let none = facts.templates == 0;
    if requests == 0 || (!none && unmatched.saturating_mul(SOME) < requests) {
        return None;
    }
    let blindness = if none {
        Blindness::Blind
    } else if unmatched.saturating_mul(2) >= requests {
        Blindness::Partly
    } else {
        Blindness::Note
    };
    let what = if none {
        "routes".to_owned()
    } else {
        format!("the routes of {unmatched} of {requests} requests")
    };
    let (why, fix) = if facts.knows_templates && none {
        (
            "no request so far matched a template: the HTTP layer sits outside the router, or only \
             unknown paths were asked for",
            "add it with `Router::layer` after the routes",
        )
    } else if facts.knows_templates {
        (
            "they matched no template: their routes were added after the HTTP layer or are a \
             fallback service's, or unknown paths were asked for",
            "add it with `Router::layer` after all routes, and to a router that serves as a fallback",
        )
    } else {
        (
            "perfdeck is built without the feature that reads them",
            "turn on perfdeck's feature `axum`, and add the layer with `Router::layer` after the routes",
        )
    };
    Some(spot("no_route_template", blindness, what, why, fix))
}
