//! What the service itself does about its alerts.

use tokio::sync::oneshot;

use super::Deck;
use crate::agent::Command;
use crate::error::{Error, Kind};
use crate::judge::alert::{Rule, Thresholds, Unfit};

impl Deck {
    /// Sets a rule's limit from the next tick on, in the rule's own unit; see
    /// [`Builder::threshold`](crate::Builder::threshold).
    ///
    /// An alert that fires is judged by the new limit, so it may be over with it. A deck that is off only checks the limit.
    ///
    /// # Errors
    ///
    /// [`Error::is_config`] if the limit is no number, is negative, or is a share of more than 100 percent: the one before
    /// stays then.
    pub fn set_threshold(&self, rule: Rule, limit: f64) -> Result<(), Error> {
        self.change(|thresholds| thresholds.set(rule, limit))
    }

    /// Sets a limit of one route's own from the next tick on; see
    /// [`Builder::route_threshold`](crate::Builder::route_threshold).
    ///
    /// # Errors
    ///
    /// As [`Deck::set_threshold`], and if the rule is none of routes, the name does not fit, or there are 200 such limits.
    pub fn set_route_threshold(&self, route: &str, rule: Rule, limit: f64) -> Result<(), Error> {
        self.change(|thresholds| thresholds.set_route(route, rule, limit))
    }

    /// Lets a route's own limit go, if it has one, so that the route is judged with all others again.
    pub fn remove_route_threshold(&self, route: &str, rule: Rule) {
        if let Some(core) = self.core() {
            core.limits
                .change(|thresholds| thresholds.remove_route(route, rule));
        }
    }

    /// Clears the alerts: forgets those that are over, and puts those that fire away; returns how many that were.
    ///
    /// An alert that was put away comes again once its value was back within its limit and then went over it anew. What is
    /// still pending stays. Where there was anything to clear, the ledger has a row of it; nothing is cleared while the ledger
    /// can't be written, or by a deck that is off. It is awaited for as long as [`Deck::alerts`] is.
    ///
    /// # Examples
    ///
    /// ```
    /// # async fn deployed(deck: perfdeck::Deck) {
    /// let cleared = deck.clear_alerts().await;
    /// println!("{cleared} alerts of the version before are cleared");
    /// # }
    /// ```
    pub async fn clear_alerts(&self) -> usize {
        let Some(core) = self.core() else {
            return 0;
        };
        let (reply, cleared) = oneshot::channel();
        // Where nobody answers, the deck has stopped.
        if core
            .host
            .commands
            .send(Command::ClearAlerts(reply))
            .await
            .is_err()
        {
            return 0;
        }
        cleared.await.map_or(0, |cleared| cleared.unwrap_or(0))
    }

    fn change(
        &self,
        change: impl FnOnce(&mut Thresholds) -> Result<(), Unfit>,
    ) -> Result<(), Error> {
        let changed = match self.core() {
            Some(core) => core.limits.change(change),
            None => change(&mut Thresholds::default()),
        };
        Ok(changed.map_err(|unfit| Kind::Config(unfit.to_string()))?)
    }
}
