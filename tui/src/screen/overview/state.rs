use std::borrow::Cow;

use perfdeck_bridge::protocol::{Intent, TimeShare};

use crate::keymap::Action;
use crate::list::{List, Row, Sort, falling, holds};
use crate::model::Data;
use crate::screen::{Screen, Step};

/// Where in the overview the user is.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct State {
    pub(crate) list: List,
}

impl State {
    pub(crate) fn on_action(&mut self, action: Action, data: &Data) -> Vec<Step> {
        let Some(overview) = data.overview() else {
            return Vec::new();
        };
        if self.list.on_action(action, &overview.time) {
            return Vec::new();
        }
        match action {
            Action::Act => match &overview.summary.finding {
                Some(finding) => vec![Step::Preview(Intent::Apply(finding.clone()))],
                None => vec![Step::Go(Screen::Advice)],
            },
            Action::Open => match self.list.row(&overview.time) {
                // Background work has no route to open.
                Some(row) if row.p95_seconds.is_some() => vec![Step::OpenRoute(row.route.clone())],
                Some(_) => vec![Step::Go(Screen::Queries)],
                None => Vec::new(),
            },
            Action::Back => {
                self.list.filter_mut().clear();
                Vec::new()
            }
            _ => Vec::new(),
        }
    }
}

impl Row for TimeShare {
    const SORTS: &'static [Sort<Self>] = &[Sort {
        title: "p95",
        compare: |a, b| {
            falling(
                a.p95_seconds.unwrap_or(f64::NAN),
                b.p95_seconds.unwrap_or(f64::NAN),
            )
        },
    }];

    fn id(&self) -> Cow<'_, str> {
        self.route.as_str().into()
    }

    fn holds(&self, needle: &str) -> bool {
        holds(&self.route, needle)
    }
}
