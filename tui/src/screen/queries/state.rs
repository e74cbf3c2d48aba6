use std::borrow::Cow;

use perfdeck_bridge::protocol::{QueryDetail, QueryId, QueryRow, Question};

use crate::keymap::Action;
use crate::list::{List, Row, Sort, falling, holds};
use crate::model::Data;
use crate::screen::{Opened, Step};

/// Which statement the user looks at.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct State {
    pub(crate) list: List,
    pub(crate) opened: Option<Opened<QueryDetail>>,
}

impl State {
    pub(crate) fn on_action(&mut self, action: Action, data: &Data) -> Vec<Step> {
        let Some(queries) = data.queries() else {
            return Vec::new();
        };
        if self.list.on_action(action, &queries.queries) {
            let selected = self.list.row(&queries.queries).map(|row| row.id.clone());
            return match (&self.opened, selected) {
                (Some(opened), Some(id)) if opened.id != id.0 => vec![self.open(id)],
                _ => Vec::new(),
            };
        }
        match action {
            Action::Open => match self.list.row(&queries.queries) {
                Some(row) => vec![self.open(row.id.clone())],
                None => Vec::new(),
            },
            Action::Back if self.opened.take().is_none() => {
                self.list.filter_mut().clear();
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    fn open(&mut self, id: QueryId) -> Step {
        self.list.select(id.0.clone());
        self.opened = Some(Opened::new(id.0.clone()));
        Step::Ask(Question::Query(id))
    }

    /// Takes an answer, unless something else was opened meanwhile.
    pub(crate) fn answer(&mut self, id: &str, answer: Result<QueryDetail, String>) {
        if let Some(opened) = self.opened.as_mut().filter(|opened| opened.id == id) {
            opened.answer = Some(answer);
        }
    }

    /// Returns the question whose answer is open.
    pub(crate) fn question(&self) -> Option<Question> {
        self.opened
            .as_ref()
            .map(|opened| Question::Query(QueryId(opened.id.clone())))
    }
}

impl Row for QueryRow {
    const SORTS: &'static [Sort<Self>] = &[
        Sort {
            title: "rate",
            compare: |a, b| falling(a.calls_per_second, b.calls_per_second),
        },
        Sort {
            title: "p95",
            compare: |a, b| falling(a.p95_seconds, b.p95_seconds),
        },
        Sort {
            title: "rows",
            compare: |a, b| falling(a.rows_per_call, b.rows_per_call),
        },
        Sort {
            title: "calls",
            compare: |a, b| b.calls.cmp(&a.calls),
        },
    ];

    fn id(&self) -> Cow<'_, str> {
        self.id.0.as_str().into()
    }

    fn holds(&self, needle: &str) -> bool {
        holds(self.text.as_str(), needle)
            || self
                .route
                .as_ref()
                .is_some_and(|route| holds(route, needle))
            || holds(&self.id.0, needle)
    }
}
