use std::borrow::Cow;

use perfdeck_bridge::protocol::BlindSpot;

use crate::keymap::Action;
use crate::list::{Row, Sort, holds};
use crate::model::Data;
use crate::screen::Step;
use crate::screen::page::State;

pub(crate) fn on_action(state: &mut State, action: Action, data: &Data) -> Vec<Step> {
    if let Some(status) = data.status() {
        state.on_action(action, &status.blind_spots);
    }
    Vec::new()
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
