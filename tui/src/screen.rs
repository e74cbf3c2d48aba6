//! The screens: each one answers one question, and says the answer in words first.
//!
//! A screen is a state that changes by [`Action`]s and a view that draws it. A new screen is one more folder and one more
//! line in [`Screen::ALL`].

pub(crate) mod advice;
pub(crate) mod alerts;
pub(crate) mod caches;
pub(crate) mod database;
pub(crate) mod doctor;
pub(crate) mod host;
pub(crate) mod ledger;
pub(crate) mod overview;
mod page;
pub(crate) mod queries;
pub(crate) mod requests;
mod story;
mod view;

use perfdeck_bridge::protocol::{Intent, Question, Topic};

use crate::keymap::Action;
use crate::list::List;
use crate::model::Data;
use crate::wish::Wish;

pub(crate) use view::{Verdict, View};

/// A screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Screen {
    Overview,
    Requests,
    Queries,
    Caches,
    Database,
    Alerts,
    Advice,
    Ledger,
    Host,
    Doctor,
}

impl Screen {
    /// Every screen, in the order of the tabs.
    pub(crate) const ALL: [Self; 10] = [
        Self::Overview,
        Self::Requests,
        Self::Queries,
        Self::Caches,
        Self::Database,
        Self::Alerts,
        Self::Advice,
        Self::Ledger,
        Self::Host,
        Self::Doctor,
    ];

    /// Returns the tab's number, which is the key that shows it and never changes.
    pub(crate) const fn number(self) -> u8 {
        match self {
            Self::Overview => 1,
            Self::Requests => 2,
            Self::Queries => 3,
            Self::Caches => 4,
            Self::Database => 5,
            Self::Alerts => 6,
            Self::Advice => 7,
            Self::Ledger => 8,
            Self::Host => 9,
            Self::Doctor => 0,
        }
    }

    /// Returns the tab's title.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Overview => "Overview",
            Self::Requests => "Requests",
            Self::Queries => "Queries",
            Self::Caches => "Caches",
            Self::Database => "Database",
            Self::Alerts => "Alerts",
            Self::Advice => "Advice",
            Self::Ledger => "Ledger",
            Self::Host => "Host",
            Self::Doctor => "Doctor",
        }
    }

    /// Returns the topic that the screen shows.
    pub(crate) const fn topic(self) -> Topic {
        match self {
            Self::Overview => Topic::Overview,
            Self::Requests => Topic::Requests,
            Self::Queries => Topic::Queries,
            Self::Caches => Topic::Caches,
            Self::Database => Topic::Database,
            Self::Alerts => Topic::Alerts,
            Self::Advice => Topic::Advice,
            Self::Ledger => Topic::Ledger,
            Self::Host => Topic::Host,
            Self::Doctor => Topic::Status,
        }
    }

    /// Returns the screen that is `steps` tabs further, around the end.
    pub(crate) fn step(self, steps: usize) -> Self {
        let place = Self::ALL
            .iter()
            .position(|screen| *screen == self)
            .unwrap_or(0);
        Self::ALL
            .get((place + steps) % Self::ALL.len())
            .copied()
            .unwrap_or(self)
    }
}

/// Each screen's own state.
#[derive(Debug, Clone, Default)]
pub(crate) struct Screens {
    pub(crate) overview: overview::State,
    pub(crate) requests: requests::State,
    pub(crate) queries: queries::State,
    pub(crate) caches: page::State,
    pub(crate) database: page::State,
    pub(crate) alerts: page::State,
    pub(crate) advice: page::State,
    pub(crate) ledger: page::State,
    pub(crate) host: page::State,
    pub(crate) doctor: page::State,
}

impl Screens {
    /// Hands an action to a screen.
    pub(crate) fn on_action(&mut self, screen: Screen, action: Action, data: &Data) -> Vec<Step> {
        match screen {
            Screen::Overview => self.overview.on_action(action, data),
            Screen::Requests => self.requests.on_action(action, data),
            Screen::Queries => self.queries.on_action(action, data),
            Screen::Caches => caches::on_action(&mut self.caches, action, data),
            Screen::Database => database::on_action(&mut self.database, action, data),
            Screen::Alerts => alerts::on_action(&mut self.alerts, action, data),
            Screen::Advice => advice::on_action(&mut self.advice, action, data),
            Screen::Ledger => ledger::on_action(&mut self.ledger, action, data),
            Screen::Host => host::on_action(&mut self.host, action, data),
            Screen::Doctor => doctor::on_action(&mut self.doctor, action, data),
        }
    }

    /// Returns a screen's list.
    pub(crate) fn list(&self, screen: Screen) -> &List {
        match screen {
            Screen::Overview => &self.overview.list,
            Screen::Requests => match &self.requests.kept {
                Some(kept) => &kept.list,
                None => &self.requests.list,
            },
            Screen::Queries => &self.queries.list,
            Screen::Caches => &self.caches.list,
            Screen::Database => &self.database.list,
            Screen::Alerts => &self.alerts.list,
            Screen::Advice => &self.advice.list,
            Screen::Ledger => &self.ledger.list,
            Screen::Host => &self.host.list,
            Screen::Doctor => &self.doctor.list,
        }
    }

    /// Returns a screen's list, to change it.
    pub(crate) fn list_mut(&mut self, screen: Screen) -> &mut List {
        match screen {
            Screen::Overview => &mut self.overview.list,
            Screen::Requests => match &mut self.requests.kept {
                Some(kept) => &mut kept.list,
                None => &mut self.requests.list,
            },
            Screen::Queries => &mut self.queries.list,
            Screen::Caches => &mut self.caches.list,
            Screen::Database => &mut self.database.list,
            Screen::Alerts => &mut self.alerts.list,
            Screen::Advice => &mut self.advice.list,
            Screen::Ledger => &mut self.ledger.list,
            Screen::Host => &mut self.host.list,
            Screen::Doctor => &mut self.doctor.list,
        }
    }

    /// Returns what is open and has to be asked again when a topic has a new state.
    pub(crate) fn again(&self, topic: Topic) -> Option<Question> {
        match topic {
            Topic::Requests => self.requests.question(),
            Topic::Queries => self.queries.question(),
            _ => None,
        }
    }
}

/// What a screen wants to happen beyond itself.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Step {
    /// Ask the host.
    Ask(Question),
    /// Open the act.
    Preview(Intent),
    /// Ask the user how much, and then open the act.
    Wish(Wish),
    /// Show another screen.
    Go(Screen),
    /// Show a route's evidence.
    OpenRoute(String),
    /// Say why nothing happens.
    Say(String),
}

/// Something the host was asked to open, with its answer once that is there.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Opened<T> {
    pub(crate) id: String,
    pub(crate) answer: Option<Result<T, String>>,
}

impl<T> Opened<T> {
    pub(crate) const fn new(id: String) -> Self {
        Self { id, answer: None }
    }

    /// Returns the answer, if it came and belongs to `id`.
    pub(crate) fn of(&self, id: &str) -> Option<&Result<T, String>> {
        self.answer.as_ref().filter(|_| self.id == id)
    }
}
