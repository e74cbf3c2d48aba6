use std::borrow::Cow;

use perfdeck_bridge::protocol::{Finding, Intent};

use crate::keymap::Action;
use crate::list::{Row, Sort, falling, holds};
use crate::model::Data;
use crate::screen::Step;
use crate::screen::page::State;

pub(crate) fn on_action(state: &mut State, action: Action, data: &Data) -> Vec<Step> {
    let Some(advice) = data.advice() else {
        return Vec::new();
    };
    if state.on_action(action, &advice.findings) {
        return Vec::new();
    }
    match (action, state.list.row(&advice.findings)) {
        (Action::Act, Some(finding)) if finding.action.is_some() => {
            vec![Step::Preview(Intent::Apply(finding.id.clone()))]
        }
        (Action::Act, Some(_)) => {
            vec![Step::Say(
                "only code helps here: enter shows what to change".into(),
            )]
        }
        _ => Vec::new(),
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
