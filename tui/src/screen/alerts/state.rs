use std::borrow::Cow;

use perfdeck_bridge::protocol::Alert;

use crate::keymap::Action;
use crate::list::{Row, Sort, holds};
use crate::model::Data;
use crate::screen::Step;
use crate::screen::page::State;

pub(crate) fn on_action(state: &mut State, action: Action, data: &Data) -> Vec<Step> {
    if let Some(alerts) = data.alerts() {
        state.on_action(action, &alerts.alerts);
    }
    Vec::new()
}

impl Row for Alert {
    const SORTS: &'static [Sort<Self>] = &[
        Sort {
            title: "since",
            compare: |a, b| b.since.cmp(&a.since),
        },
        Sort {
            title: "severity",
            compare: |a, b| b.severity.cmp(&a.severity),
        },
        Sort {
            title: "rule",
            compare: |a, b| a.rule.cmp(&b.rule),
        },
    ];

    fn id(&self) -> Cow<'_, str> {
        self.id.as_str().into()
    }

    fn holds(&self, needle: &str) -> bool {
        holds(&self.rule, needle) || holds(&self.subject, needle) || holds(&self.message, needle)
    }
}
