use std::borrow::Cow;

use perfdeck_bridge::protocol::BlindSpot;

use crate::keymap::Action;
use crate::list::{List, Row, Sort, holds};
use crate::model::Data;
use crate::screen::Step;

/// Which blind spot the user looks at.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct State {
    pub(crate) list: List,
    pub(crate) open: bool,
}

impl State {
    pub(crate) fn on_action(&mut self, action: Action, data: &Data) -> Vec<Step> {
        let Some(status) = data.status() else {
            return Vec::new();
        };
        if self.list.on_action(action, &status.blind_spots) {
            return Vec::new();
        }
        match action {
            Action::Open => self.open = !status.blind_spots.is_empty(),
            Action::Back if self.open => self.open = false,
            Action::Back => self.list.filter_mut().clear(),
            _ => {}
        }
        Vec::new()
    }
}

impl Row for BlindSpot {
    const SORTS: &'static [Sort<Self>] = &[Sort {
        title: "what can't be seen",
        compare: |a, b| a.what.cmp(&b.what),
    }];

    fn id(&self) -> Cow<'_, str> {
        // Several pools can have the same one.
        format!("{} {}", self.kind, self.what).into()
    }

    fn holds(&self, needle: &str) -> bool {
        holds(&self.kind, needle) || holds(&self.what, needle) || holds(&self.why, needle)
    }
}
