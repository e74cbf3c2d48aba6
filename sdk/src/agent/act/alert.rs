//! Clearing the alerts: a viewer's wish, or the host's own.

use perfdeck_bridge::protocol::{AlertState, Level, Refusal, Risk, Undo};

use super::{Done, nothing_to_measure};
use crate::act::ledger::Life;
use crate::act::{Draft, Job};
use crate::agent::Agent;

impl Agent {
    pub(super) fn draft_clear_alerts(&self) -> Draft {
        let [firing, over] = self.clearable();
        Draft {
            job: Job::ClearAlerts,
            kind: "clear_alerts",
            target: "alerts".into(),
            title: "clear the alerts".into(),
            statement: format!(
                "put away what fires ({firing}) until it has been over once, and forget what is over ({over})"
            ),
            risk: Risk::Deck,
            notes: vec!["the service and its rules stay as they are".into()],
            expected: None,
            undo: Undo {
                statement: String::new(),
                until: None,
            },
            confirm: None,
            predicted: None,
            state: 0,
            undo_of: None,
        }
    }

    /// Clears the alerts at once, so that nobody is told of them again.
    pub(super) fn clear_alerts(&mut self) -> Done {
        let (message, _) = self.put_away();
        Done {
            message,
            credited: false,
        }
    }

    /// Clears the alerts for the host itself, which leaves a row where there were any.
    pub(in crate::agent) fn clear_own_alerts(&mut self) -> Result<usize, Refusal> {
        if self.clearable() == [0, 0] {
            return Ok(0);
        }
        let row = self.begin(&self.draft_clear_alerts(), "host".into())?;
        let (message, cleared) = self.put_away();
        self.changed(Level::Good, message.clone());
        self.ledger.change(row.id, |row| {
            row.done(message, None);
            nothing_to_measure(row);
        });
        Ok(cleared)
    }

    /// How many alerts fire, and how many are over and still told.
    fn clearable(&self) -> [usize; 2] {
        [AlertState::Firing, AlertState::Resolved].map(|state| {
            let alerts = self.verdicts.alerts.iter();
            alerts.filter(|alert| alert.state == state).count()
        })
    }

    fn put_away(&mut self) -> (String, usize) {
        let cleared = self.judgement.alerts.clear();
        self.verdicts.alerts = self.judgement.alerts.told();
        let message = match cleared {
            1 => "cleared an alert".to_owned(),
            cleared => format!("cleared {cleared} alerts"),
        };
        (message, cleared)
    }
}
