use std::borrow::Cow;

use perfdeck_bridge::protocol::{Finding, Intent};

use crate::keymap::Action;
use crate::list::{List, Row, Sort, falling, holds};
use crate::model::Data;
use crate::screen::Step;

/// Which finding the user looks at.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct State {
    pub(crate) list: List,
    pub(crate) open: bool,
}

impl State {
    pub(crate) fn on_action(&mut self, action: Action, data: &Data) -> Vec<Step> {
        let Some(advice) = data.advice() else {
            return Vec::new();
        };
        if self.list.on_action(action, &advice.findings) {
            return Vec::new();
        }
        match (action, self.list.row(&advice.findings)) {
            (Action::Act, Some(finding)) if finding.action.is_some() => {
                vec![Step::Preview(Intent::Apply(finding.id.clone()))]
            }
            (Action::Act, Some(_)) => {
                vec![Step::Say(
                    "only code helps here: enter shows what to change".into(),
                )]
            }
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

impl Row for Finding {
    const SORTS: &'static [Sort<Self>] = &[
        Sort {
            title: "wait saved",
            compare: |a, b| falling(a.impact.wait_share, b.impact.wait_share),
        },
        Sort {
            title: "score",
            compare: |a, b| falling(a.score_points, b.score_points),
        },
        Sort {
            title: "finding",
            compare: |a, b| a.title.cmp(&b.title),
        },
    ];

    fn id(&self) -> Cow<'_, str> {
        self.id.0.as_str().into()
    }

    fn holds(&self, needle: &str) -> bool {
        holds(&self.title, needle) || holds(&self.kind, needle) || holds(&self.id.0, needle)
    }
}
