use std::borrow::Cow;

use perfdeck_bridge::protocol::MetricRow;

use crate::keymap::Action;
use crate::list::{Row, Sort, falling, holds};
use crate::model::Data;
use crate::screen::Step;
use crate::screen::page::State;

pub(crate) fn on_action(state: &mut State, action: Action, data: &Data) -> Vec<Step> {
    if let Some(host) = data.host() {
        state.on_action(action, &host.metrics);
    }
    Vec::new()
}

impl Row for MetricRow {
    const SORTS: &'static [Sort<Self>] = &[
        Sort {
            title: "rate",
            compare: |a, b| known_falling(a.per_second, b.per_second),
        },
        Sort {
            title: "value",
            compare: |a, b| falling(a.value, b.value),
        },
        Sort {
            title: "p95",
            compare: |a, b| known_falling(a.p95, b.p95),
        },
        Sort {
            title: "kind",
            compare: |a, b| a.kind.cmp(&b.kind),
        },
    ];

    fn id(&self) -> Cow<'_, str> {
        // Two kinds may have one name.
        format!("{} {}", self.kind, self.name).into()
    }

    fn holds(&self, needle: &str) -> bool {
        holds(&self.name, needle)
            || holds(&self.kind, needle)
            || self
                .description
                .as_ref()
                .is_some_and(|text| holds(text, needle))
    }
}

fn known_falling(a: Option<f64>, b: Option<f64>) -> std::cmp::Ordering {
    falling(a.unwrap_or(f64::NAN), b.unwrap_or(f64::NAN))
}
