use std::borrow::Cow;

use perfdeck_bridge::protocol::{
    Exemplar, Exemplars, Question, RequestRow, RouteDetail, WhichExemplar,
};

use crate::keymap::Action;
use crate::list::{List, Row, Sort, falling, holds};
use crate::model::Data;
use crate::screen::requests::kept::KeptRequests;
use crate::screen::{Opened, Step};

/// Which route the user looks at.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct State {
    pub(crate) list: List,
    pub(crate) opened: Option<Opened<RouteDetail>>,
    /// Its real requests, while these are shown instead of the routes.
    pub(crate) kept: Option<KeptRequests>,
}

impl State {
    pub(crate) fn on_action(&mut self, action: Action, data: &Data) -> Vec<Step> {
        if let Some(kept) = &mut self.kept {
            return kept.on_action(action).unwrap_or_else(|| self.leave());
        }
        let Some(requests) = data.requests() else {
            return Vec::new();
        };
        if self.list.on_action(action, &requests.routes) {
            return self.follow(data);
        }
        match action {
            Action::Open => match (self.list.row(&requests.routes), &self.opened) {
                (Some(row), Some(opened)) if opened.id == row.route => {
                    let (kept, question) = KeptRequests::of(&row.route);
                    self.kept = Some(kept);
                    vec![Step::Ask(question)]
                }
                (Some(row), _) => vec![Step::Ask(self.open(row.route.clone()))],
                (None, _) => Vec::new(),
            },
            Action::Percentile => match self.list.row(&requests.routes) {
                Some(row) => {
                    let (mut kept, question) = KeptRequests::of(&row.route);
                    let near = kept.next_percentile();
                    self.kept = Some(kept);
                    vec![Step::Ask(near), Step::Ask(question)]
                }
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
        self.kept = None;
        Question::Route(route)
    }

    /// Takes an answer, unless something else was opened meanwhile.
    pub(crate) fn answer(&mut self, route: &str, answer: Result<RouteDetail, String>) {
        if let Some(opened) = self.opened.as_mut().filter(|opened| opened.id == route) {
            opened.answer = Some(answer);
        }
    }

    /// Takes what is kept of a route, and returns what is to be asked next.
    pub(crate) fn listed(&mut self, route: &str, answer: Result<Exemplars, String>) -> Vec<Step> {
        let kept = self.kept.as_mut().filter(|kept| kept.opened.id == route);
        kept.map_or_else(Vec::new, |kept| kept.listed(answer))
    }

    /// Takes one kept request.
    pub(crate) fn kept(&mut self, which: &WhichExemplar, answer: Result<Exemplar, String>) {
        if let Some(kept) = &mut self.kept {
            kept.answered(which, answer);
        }
    }

    /// Returns the question whose answer is open.
    pub(crate) fn question(&self) -> Option<Question> {
        if let Some(kept) = &self.kept {
            return Some(Question::Exemplars(kept.opened.id.clone()));
        }
        self.opened
            .as_ref()
            .map(|opened| Question::Route(opened.id.clone()))
    }

    /// Goes back to the routes.
    fn leave(&mut self) -> Vec<Step> {
        self.kept = None;
        self.question().map(Step::Ask).into_iter().collect()
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
