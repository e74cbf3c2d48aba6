use std::borrow::Cow;

use perfdeck_bridge::protocol::{CacheRow, Intent};

use crate::keymap::Action;
use crate::list::{Row, Sort, falling, holds};
use crate::model::Data;
use crate::screen::Step;
use crate::screen::page::State;
use crate::wish::Wish;

pub(crate) fn on_action(state: &mut State, action: Action, data: &Data) -> Vec<Step> {
    let Some(caches) = data.caches() else {
        return Vec::new();
    };
    if state.on_action(action, &caches.namespaces) {
        return Vec::new();
    }
    if action == Action::Optimize {
        return vec![Step::Preview(Intent::OptimizeCaches)];
    }
    match (action, state.list.row(&caches.namespaces)) {
        (Action::Clear, Some(row)) => {
            vec![Step::Preview(Intent::ClearCache {
                namespace: row.namespace.clone(),
            })]
        }
        (Action::Warm, Some(row)) => {
            vec![Step::Preview(Intent::WarmCache {
                namespace: row.namespace.clone(),
            })]
        }
        (Action::Resize, Some(row)) => vec![Step::Wish(Wish::capacity(row))],
        (Action::Ttl, Some(row)) => vec![Step::Wish(Wish::ttl(row))],
        (Action::Undo, Some(row)) => match row.undo {
            Some(id) => vec![Step::Preview(Intent::Undo(id))],
            None => vec![Step::Say(
                "nothing to undo: this cache was not just cleared".into(),
            )],
        },
        _ => Vec::new(),
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
