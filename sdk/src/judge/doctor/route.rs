//! Requests: whether they can be told apart by route.

use perfdeck_bridge::protocol::{BlindSpot, Blindness};

use super::{Facts, spot};

/// Requests came, and none matched a template.
pub(super) fn no_template(facts: &Facts) -> Option<BlindSpot> {
    if facts.requests == 0 || facts.templates > 0 {
        return None;
    }
    let (why, fix) = if facts.knows_templates {
        (
            "no request so far matched a template: the HTTP layer sits outside the router, or only \
             unknown paths were asked for",
            "add it with `Router::layer` after the routes",
        )
    } else {
        (
            "perfdeck is built without the feature that reads them",
            "turn on perfdeck's feature `axum`, and add the layer with `Router::layer` after the routes",
        )
    };
    Some(spot(
        "no_route_template",
        Blindness::Blind,
        "routes",
        why,
        fix,
    ))
}
