//! perfdeck.

use anyhow::{Context, Result};
use perfdeck::{Deck, Guard, HttpLayer};
use perfdeck_bridge::Source;
use perfdeck_bridge::client::{Client, Options};
use perfdeck_bridge::protocol::{Answer, Question, State, Topic, Update};
use perfdeck_tests::folder::Folder;
use std::sync::Arc;
use std::time::Duration;

/// Longer than the deck takes to merge what its threads have.
const TICK: Duration = Duration::from_millis(1_200);

/// A deck on a socket of its own.
#[derive(Debug)]
pub struct Perfdeck {
    /// The deck itself.
    pub deck: Deck,
    _guard: Guard,
    _folder: Folder,
}

/// How much a deck knows of.
#[derive(Debug, Clone, Copy)]
pub struct Counts {
    /// Requests.
    pub requests: u64,
    /// Statements, whoever ran them.
    pub statements: u64,
    /// Those of which the deck knows what request ran them.
    pub attributed: u64,
}

impl Perfdeck {
    /// Starts it.
    ///
    /// # Errors
    ///
    /// If its socket can't be served.
    pub fn start() -> Result<Self> {
        let folder = Folder::new()?;
        let socket = folder.path().join("deck.sock");
        let (guard, deck) = perfdeck::Builder::new("peers").socket(socket).start()?;
        Ok(Self {
            deck,
            _guard: guard,
            _folder: folder,
        })
    }

    /// Makes the layer for requests whose path is their route.
    #[must_use]
    pub fn http_layer(&self) -> HttpLayer {
        self.deck.http_layer().template(|uri, _| Some(uri.path()))
    }

    /// Returns how many requests the deck knows of that ran one statement.
    ///
    /// # Errors
    ///
    /// If the deck doesn't answer.
    pub fn requests(&self) -> Result<Option<u64>> {
        Self::settle();
        let counts = self.counts()?;
        Ok(Some(counts.requests.min(counts.attributed)))
    }

    /// Waits until the deck has merged what its threads have.
    pub fn settle() {
        std::thread::sleep(TICK);
    }

    /// Returns what the deck knew when it last settled.
    ///
    /// # Errors
    ///
    /// If the deck doesn't answer.
    pub fn counts(&self) -> Result<Counts> {
        let [requests, queries] = self.ask([Topic::Requests, Topic::Queries])?;
        let (State::Requests(requests), State::Queries(queries)) =
            (&requests.state, &queries.state)
        else {
            anyhow::bail!("the deck answered another question");
        };
        Ok(Counts {
            requests: requests.requests,
            statements: queries.calls,
            attributed: queries.calls - queries.unattributed,
        })
    }

    /// Returns how many calls of monitored functions the deck knows of.
    ///
    /// # Errors
    ///
    /// If the deck doesn't answer.
    pub fn calls(&self) -> Result<Option<u64>> {
        Self::settle();
        let [requests] = self.ask([Topic::Requests])?;
        let State::Requests(requests) = &requests.state else {
            anyhow::bail!("the deck answered another question");
        };
        let calls = requests.functions.iter().map(|function| function.calls);
        Ok(Some(calls.sum()))
    }

    /// Returns what its only metric has counted.
    ///
    /// # Errors
    ///
    /// If the deck doesn't answer.
    pub fn metric(&self) -> Result<Option<u64>> {
        Self::settle();
        let [host] = self.ask([Topic::Host])?;
        let State::Host(host) = &host.state else {
            anyhow::bail!("the deck answered another question");
        };
        let metric = host.metrics.first().context("the metric is not there")?;
        Ok(Some(metric.count.unwrap_or(metric.value as u64)))
    }

    /// Asks as a viewer would.
    fn ask<const N: usize>(&self, topics: [Topic; N]) -> Result<[Arc<Update>; N]> {
        let socket = self.deck.socket().context("the deck is off")?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(async {
            let client = Client::connect(socket, Options::default()).await?;
            let mut answers = Vec::new();
            for topic in topics {
                let Answer::Now(update) = client.ask(Question::Now(topic)).await? else {
                    anyhow::bail!("the deck answered another question");
                };
                answers.push(update);
            }
            answers.try_into().ok().context("an answer is missing")
        })
    }
}
