use std::borrow::Cow;

use perfdeck_bridge::protocol::{Question, RequestRow, RouteDetail};

use crate::keymap::Action;
use crate::list::{List, Row, Sort, falling, holds};
use crate::model::Data;
use crate::screen::{Opened, Step};

/// Which route the user looks at.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct State {
    pub(crate) list: List,
    pub(crate) opened: Option<Opened<RouteDetail>>,
}

impl State {
    pub(crate) fn on_action(&mut self, action: Action, data: &Data) -> Vec<Step> {
        let Some(requests) = data.requests() else {
            return Vec::new();
        };
        if self.list.on_action(action, &requests.routes) {
            return self.follow(data);
        }
        match action {
            Action::Open => match self.list.row(&requests.routes) {
                Some(row) => vec![Step::Ask(self.open(row.route.clone()))],
                None => Vec::new(),
            },
            Action::Back if self.opened.take().is_none() => {
                self.list.filter_mut().clear();
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    /// Opens a route and returns what is to be asked.
    pub(crate) fn open(&mut self, route: String) -> Question {
        self.list.select(route.clone());
        self.opened = Some(Opened::new(route.clone()));
        Question::Route(route)
    }

    /// Takes an answer, unless something else was opened meanwhile.
    pub(crate) fn answer(&mut self, route: &str, answer: Result<RouteDetail, String>) {
        if let Some(opened) = self.opened.as_mut().filter(|opened| opened.id == route) {
            opened.answer = Some(answer);
        }
    }

    /// Returns the question whose answer is open.
    pub(crate) fn question(&self) -> Option<Question> {
        self.opened
            .as_ref()
            .map(|opened| Question::Route(opened.id.clone()))
    }

    /// Keeps what is open with the selection.
    fn follow(&mut self, data: &Data) -> Vec<Step> {
        let rows = data
            .requests()
            .map(|requests| requests.routes.as_slice())
            .unwrap_or_default();
        let selected = self.list.row(rows).map(|row| row.route.clone());
        match (&self.opened, selected) {
            (Some(opened), Some(route)) if opened.id != route => vec![Step::Ask(self.open(route))],
            _ => Vec::new(),
        }
    }
}

impl Row for RequestRow {
    const SORTS: &'static [Sort<Self>] = &[
        Sort {
            title: "rate",
            compare: |a, b| falling(a.requests_per_second, b.requests_per_second),
        },
        Sort {
            title: "p95",
            compare: |a, b| falling(a.p95_seconds, b.p95_seconds),
        },
        Sort {
            title: "errors",
            compare: |a, b| falling(a.error_ratio, b.error_ratio),
        },
        Sort {
            title: "queries",
            compare: |a, b| falling(a.queries_per_request.p50, b.queries_per_request.p50),
        },
        Sort {
            title: "route",
            compare: |a, b| a.route.cmp(&b.route),
        },
    ];

    fn id(&self) -> Cow<'_, str> {
        self.route.as_str().into()
    }

    fn holds(&self, needle: &str) -> bool {
        holds(&self.route, needle)
    }
}
