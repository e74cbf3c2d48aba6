//! Stands in for indexes where the advisor is off: no finding proposes one.

use perfdeck_bridge::protocol::{FindingId, LedgerId, LedgerRow, LedgerStatus};
use perfdeck_bridge::server::Caller;

use super::{Failure, Reply, no_action};
use crate::act::Job;
use crate::act::measure::{Outcome, Subject};
use crate::agent::Agent;

/// What a finding proposes to make: nothing.
#[derive(Debug, Clone)]
pub(crate) struct Made;

impl Agent {
    pub(in crate::agent) const fn verify(&mut self) {}

    pub(super) fn preview_finding(&self, _: Caller, finding: &FindingId, reply: Reply) {
        let _ = reply.send(Err(no_action(finding)));
    }

    pub(super) fn preview_drop(&self, _: Caller, _: LedgerId, finding: &FindingId, reply: Reply) {
        let _ = reply.send(Err(no_action(finding)));
    }

    pub(super) const fn confirm(&self, _: LedgerId, outcome: Outcome) -> Option<Outcome> {
        Some(outcome)
    }

    pub(super) fn subject(&self, _: &Job) -> Subject {
        Subject::default()
    }

    pub(super) const fn made_for(&self, _: &LedgerRow) -> Option<FindingId> {
        None
    }

    pub(super) fn create_index(&mut self, row: LedgerId, _: &FindingId, _: u64) {
        self.finish(row, Err(off()));
    }

    pub(super) fn drop_index(&mut self, row: LedgerId, _: &FindingId) {
        self.finish(row, Err(off()));
    }
}

fn off() -> Failure {
    let message = "built without the feature `advisor`".into();
    (LedgerStatus::Failed, message)
}
