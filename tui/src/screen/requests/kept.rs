//! The real requests of one route: which one the user looks at, and which step of it.

use std::borrow::Cow;

use perfdeck_bridge::protocol::{Exemplar, ExemplarRow, Exemplars, Kept, Question, WhichExemplar};

use crate::keymap::Action;
use crate::list::{List, Row, Sort, falling, holds};
use crate::screen::{Opened, Step};

/// The percentiles that a key leads to, in the order in which it does.
const PERCENTILES: [u8; 3] = [95, 100, 50];

/// The kept requests of a route while they are looked at.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct KeptRequests {
    pub(crate) list: List,
    /// What is kept of the route.
    pub(crate) opened: Opened<Exemplars>,
    /// The one request whose steps are shown.
    pub(crate) request: Option<Opened<Exemplar>>,
    /// The step that is looked at, while the keys move among steps.
    pub(crate) step: Option<usize>,
    /// The percentile that the request was opened for, until another is chosen.
    pub(crate) percentile: Option<u8>,
}

impl KeptRequests {
    /// Begins with a route and returns what is to be asked.
    pub(crate) fn of(route: &str) -> (Self, Question) {
        let kept = Self {
            list: List::default(),
            opened: Opened::new(route.to_owned()),
            request: None,
            step: None,
            percentile: None,
        };
        (kept, Question::Exemplars(route.to_owned()))
    }

    pub(crate) fn rows(&self) -> &[ExemplarRow] {
        match &self.opened.answer {
            Some(Ok(kept)) => &kept.exemplars,
            _ => &[],
        }
    }

    /// Returns the steps' request, if it is there and the selected one.
    pub(crate) fn shown(&self) -> Option<&Result<Exemplar, String>> {
        self.request.as_ref()?.answer.as_ref()
    }

    /// Handles an action; `None` where the screen is left.
    pub(crate) fn on_action(&mut self, action: Action) -> Option<Vec<Step>> {
        if let Some(step) = self.step {
            let last = self.steps().saturating_sub(1);
            let to = match action {
                Action::Down => step + 1,
                Action::Up => step.saturating_sub(1),
                Action::PageDown => step + 10,
                Action::PageUp => step.saturating_sub(10),
                Action::Top => 0,
                Action::Bottom => last,
                Action::Back => {
                    self.step = None;
                    return Some(Vec::new());
                }
                Action::Percentile => return Some(vec![Step::Ask(self.next_percentile())]),
                _ => return Some(Vec::new()),
            };
            self.step = Some(to.min(last));
            return Some(Vec::new());
        }
        let Some(Ok(kept)) = &self.opened.answer else {
            return (action != Action::Back).then(Vec::new);
        };
        if self.list.on_action(action, &kept.exemplars) {
            self.percentile = None;
            return Some(self.follow());
        }
        match action {
            Action::Open if self.steps() > 0 => self.step = Some(0),
            Action::Open => return Some(self.follow()),
            Action::Percentile => return Some(vec![Step::Ask(self.next_percentile())]),
            Action::Back if self.list.filter().is_empty() => return None,
            Action::Back => self.list.filter_mut().clear(),
            _ => {}
        }
        Some(Vec::new())
    }

    /// Chooses the next percentile and returns what is to be asked.
    pub(crate) fn next_percentile(&mut self) -> Question {
        let next = match self.percentile {
            None => 0,
            Some(now) => {
                let place = PERCENTILES.iter().position(|one| *one == now);
                place.map_or(0, |place| (place + 1) % PERCENTILES.len())
            }
        };
        let percentile = PERCENTILES.get(next).copied().unwrap_or(95);
        self.percentile = Some(percentile);
        Question::Exemplar(WhichExemplar::Near {
            route: self.opened.id.clone(),
            percentile,
        })
    }

    /// Takes what is kept, and returns what is to be asked next.
    pub(crate) fn listed(&mut self, answer: Result<Exemplars, String>) -> Vec<Step> {
        self.opened.answer = Some(answer);
        // A percentile's own request is on its way, or there.
        if self.percentile.is_some() {
            return Vec::new();
        }
        self.follow()
    }

    /// Takes one request, unless another was chosen meanwhile.
    pub(crate) fn answered(&mut self, which: &WhichExemplar, answer: Result<Exemplar, String>) {
        match which {
            WhichExemplar::Id(id) => {
                let opened = self.request.as_mut();
                if let Some(opened) = opened.filter(|opened| opened.id == id.0.to_string()) {
                    opened.answer = Some(answer);
                }
            }
            WhichExemplar::Near { route, percentile } => {
                if *route != self.opened.id || self.percentile != Some(*percentile) {
                    return;
                }
                let id = answer.as_ref().map(|one| one.row.id.0.to_string());
                let id = id.unwrap_or_default();
                self.list.select(id.clone());
                self.request = Some(Opened {
                    id,
                    answer: Some(answer),
                });
            }
        }
        if let Some(step) = self.step {
            self.step = Some(step.min(self.steps().saturating_sub(1)));
        }
    }

    /// Asks for the selected request, unless it is there.
    fn follow(&mut self) -> Vec<Step> {
        let selected = self.list.row(self.rows()).map(|row| row.id);
        let Some(id) = selected else {
            return Vec::new();
        };
        let name = id.0.to_string();
        if self.request.as_ref().is_some_and(|shown| shown.id == name) {
            return Vec::new();
        }
        // Until somebody moves, the selection would jump to each new request.
        self.list.select(name.clone());
        self.request = Some(Opened::new(name));
        vec![Step::Ask(Question::Exemplar(WhichExemplar::Id(id)))]
    }

    fn steps(&self) -> usize {
        match self.shown() {
            Some(Ok(one)) => one.steps.len(),
            _ => 0,
        }
    }
}

impl Row for ExemplarRow {
    const SORTS: &'static [Sort<Self>] = &[
        Sort {
            title: "took",
            compare: |a, b| falling(a.duration_seconds, b.duration_seconds),
        },
        Sort {
            title: "queries",
            compare: |a, b| b.queries.cmp(&a.queries),
        },
    ];

    fn id(&self) -> Cow<'_, str> {
        self.id.0.to_string().into()
    }

    fn holds(&self, needle: &str) -> bool {
        let status = self.status.map(|status| status.to_string());
        holds(why(self.kept), needle) || status.is_some_and(|status| status.contains(needle))
    }
}

/// Tells why a request was kept.
pub(crate) const fn why(kept: Kept) -> &'static str {
    match kept {
        Kept::Failed => "failed",
        Kept::Cancelled => "given up",
        Kept::Slow => "slow",
        Kept::Sample => "sample",
    }
}
