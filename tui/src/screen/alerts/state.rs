use std::borrow::Cow;

use perfdeck_bridge::protocol::Alert;

use crate::keymap::Action;
use crate::list::{List, Row, Sort, holds};
use crate::model::Data;
use crate::screen::Step;

/// Which alert the user looks at.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct State {
    pub(crate) list: List,
    pub(crate) open: bool,
}

impl State {
    pub(crate) fn on_action(&mut self, action: Action, data: &Data) -> Vec<Step> {
        let Some(alerts) = data.alerts() else {
            return Vec::new();
        };
        if self.list.on_action(action, &alerts.alerts) {
            return Vec::new();
        }
        match action {
            Action::Open => self.open = !alerts.alerts.is_empty(),
            Action::Back if self.open => self.open = false,
            Action::Back => self.list.filter_mut().clear(),
            _ => {}
        }
        Vec::new()
    }
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
