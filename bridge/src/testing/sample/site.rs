use super::super::voice::Voice;
use crate::protocol::{CallFrame, CallSite, QueryRoute};

/// Where these routes call a statement: all by way of one function, and the last from code without debug information.
pub(in crate::testing) fn call_sites(voice: &Voice, routes: &[QueryRoute]) -> Vec<CallSite> {
    let frame = |function: &str, place: Option<(&str, u32)>| CallFrame {
        function: Some(voice.say(function)),
        file: place.map(|(file, _)| voice.say(file)),
        line: place.map(|(_, line)| line),
    };
    let sites = routes.iter().enumerate().map(|(turn, route)| {
        let caller = if turn + 1 == routes.len() {
            frame("desk::route::search::run", None)
        } else {
            frame(
                "desk::route::document::list",
                Some(("desk/src/route/document.rs", 31)),
            )
        };
        let reader = frame(
            "desk::store::document::Documents::page",
            Some(("desk/src/store/document.rs", 58)),
        );
        CallSite {
            route: route.route.clone(),
            frames: vec![reader, caller],
        }
    });
    sites.collect()
}
