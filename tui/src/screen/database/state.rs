use std::borrow::Cow;

use super::Item;
use crate::keymap::Action;
use crate::list::{Row, Sort, falling, holds};
use crate::model::Data;
use crate::screen::Step;
use crate::screen::page::State;

pub(crate) fn on_action(state: &mut State, action: Action, data: &Data) -> Vec<Step> {
    if let Some(database) = data.database() {
        // Ages are told in a row's text and choose none.
        let now = data.newest().unwrap_or_default();
        state.on_action(action, &Item::all(database, now));
    }
    Vec::new()
}

impl Row for Item {
    const SORTS: &'static [Sort<Self>] = &[
        Sort {
            title: "size",
            compare: |a, b| known_falling(a.size_bytes, b.size_bytes),
        },
        Sort {
            title: "scans",
            compare: |a, b| known_falling(a.scans, b.scans),
        },
        Sort {
            title: "what",
            compare: |a, b| a.kind.cmp(&b.kind),
        },
        Sort {
            title: "name",
            compare: |a, b| a.name.cmp(&b.name),
        },
    ];

    fn id(&self) -> Cow<'_, str> {
        format!("{} {} {}", self.kind.word(), self.pool, self.name).into()
    }

    fn holds(&self, needle: &str) -> bool {
        let texts = [self.kind.word(), &self.name, &self.state, &self.pool];
        texts.iter().any(|text| holds(text, needle))
            || self.story.iter().any(|(_, text)| holds(text, needle))
    }
}

fn known_falling(a: Option<u64>, b: Option<u64>) -> std::cmp::Ordering {
    let known = |value: Option<u64>| value.map_or(f64::NAN, |value| value as f64);
    falling(known(a), known(b))
}
