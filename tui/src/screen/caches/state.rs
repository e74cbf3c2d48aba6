use std::borrow::Cow;

use perfdeck_bridge::protocol::{CacheRow, Intent};

use crate::keymap::Action;
use crate::list::{List, Row, Sort, falling, holds};
use crate::model::Data;
use crate::screen::Step;

/// Which namespace the user looks at.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct State {
    pub(crate) list: List,
    pub(crate) open: bool,
}

impl State {
    pub(crate) fn on_action(&mut self, action: Action, data: &Data) -> Vec<Step> {
        let Some(caches) = data.caches() else {
            return Vec::new();
        };
        if self.list.on_action(action, &caches.namespaces) {
            return Vec::new();
        }
        let row = self.list.row(&caches.namespaces);
        match (action, row) {
            (Action::Clear, Some(row)) => {
                vec![Step::Preview(Intent::ClearCache {
                    namespace: row.namespace.clone(),
                })]
            }
            (Action::Undo, Some(row)) => match row.undo {
                Some(id) => vec![Step::Preview(Intent::Undo(id))],
                None => vec![Step::Say(
                    "nothing to undo: this cache was not just cleared".into(),
                )],
            },
            (Action::Open, Some(_)) => {
                self.open = true;
                Vec::new()
            }
            (Action::Back, _) => {
                if !std::mem::take(&mut self.open) {
                    self.list.filter_mut().clear();
                }
                Vec::new()
            }
            _ => Vec::new(),
        }
    }
}

impl Row for CacheRow {
    const SORTS: &'static [Sort<Self>] = &[
        Sort {
            title: "hits",
            compare: |a, b| {
                falling(
                    a.hit_ratio.unwrap_or(f64::NAN),
                    b.hit_ratio.unwrap_or(f64::NAN),
                )
            },
        },
        Sort {
            title: "look-ups",
            compare: |a, b| falling(a.lookups_per_second, b.lookups_per_second),
        },
        Sort {
            title: "entries",
            compare: |a, b| b.entries.cmp(&a.entries),
        },
        Sort {
            title: "namespace",
            compare: |a, b| a.namespace.cmp(&b.namespace),
        },
    ];

    fn id(&self) -> Cow<'_, str> {
        self.namespace.as_str().into()
    }

    fn holds(&self, needle: &str) -> bool {
        holds(&self.namespace, needle)
    }
}
