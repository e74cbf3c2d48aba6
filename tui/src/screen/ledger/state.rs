use std::borrow::Cow;

use perfdeck_bridge::protocol::{Intent, LedgerRow};

use crate::keymap::Action;
use crate::list::{Row, Sort, holds};
use crate::model::Data;
use crate::screen::Step;
use crate::screen::page::State;

pub(crate) fn on_action(state: &mut State, action: Action, data: &Data) -> Vec<Step> {
    let Some(ledger) = data.ledger() else {
        return Vec::new();
    };
    if state.on_action(action, &ledger.rows) {
        return Vec::new();
    }
    match (action, state.list.row(&ledger.rows)) {
        (Action::Undo, Some(row)) if row.undo.is_some() => {
            vec![Step::Preview(Intent::Undo(row.id))]
        }
        (Action::Undo, Some(_)) => vec![Step::Say("this can't be undone, or was".into())],
        _ => Vec::new(),
    }
}

impl Row for LedgerRow {
    const SORTS: &'static [Sort<Self>] = &[
        Sort {
            title: "who",
            compare: |a, b| a.actor.cmp(&b.actor),
        },
        Sort {
            title: "what",
            compare: |a, b| (&a.action, &a.target).cmp(&(&b.action, &b.target)),
        },
    ];

    fn id(&self) -> Cow<'_, str> {
        self.id.to_string().into()
    }

    fn holds(&self, needle: &str) -> bool {
        [&self.action, &self.target, &self.actor, &self.message]
            .into_iter()
            .any(|text| holds(text, needle))
    }
}
