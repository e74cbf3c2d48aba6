//! Stands in for caches where their feature is off: there are none.

use perfdeck_bridge::protocol::{CacheCapacity, LedgerId, LedgerStatus, Refusal, RefusalCode};

use super::{Done, Failure};
use crate::act::{Draft, Job};
use crate::agent::Agent;

impl Agent {
    pub(in crate::agent) const fn observe_caches(&mut self) {}

    pub(in crate::agent) const fn predict(&mut self) {}

    pub(in crate::agent) const fn try_caches(&mut self) {}

    pub(super) fn draft_clear(&self, namespace: String) -> Result<Draft, Refusal> {
        Err(Refusal::new(
            RefusalCode::Unknown,
            format!("no such cache: {namespace}"),
        ))
    }

    pub(super) fn draft_restore(&self, namespace: String, _: LedgerId) -> Result<Draft, Refusal> {
        self.draft_clear(namespace)
    }

    pub(super) fn clear_cache(&mut self, _: LedgerId, _: &str) -> Result<Done, Failure> {
        Err(off())
    }

    pub(super) fn draft_resize(&self, namespace: &str, _: CacheCapacity) -> Result<Draft, Refusal> {
        self.draft_clear(namespace.to_owned())
    }

    pub(super) fn draft_ttl(&self, namespace: &str, _: u32) -> Result<Draft, Refusal> {
        self.draft_clear(namespace.to_owned())
    }

    pub(super) fn draft_warm(&self, namespace: String) -> Result<Draft, Refusal> {
        self.draft_clear(namespace)
    }

    pub(super) fn warm_cache(&mut self, _: Option<LedgerId>, _: &str) -> Result<(), Failure> {
        Err(off())
    }

    pub(super) fn draft_optimize(&self) -> Result<Draft, Refusal> {
        self.draft_clear("any".to_owned())
    }

    pub(super) fn optimize_caches(
        &mut self,
        _: LedgerId,
        _: &[(String, u64)],
        _: u64,
    ) -> Result<Done, Failure> {
        Err(off())
    }

    pub(super) fn draft_reset(&self, changed: LedgerId) -> Result<Draft, Refusal> {
        self.draft_clear(format!("that of row {changed}"))
    }

    pub(super) fn change_cache(&mut self, _: LedgerId, _: &Job, _: u64) -> Result<Done, Failure> {
        Err(off())
    }

    pub(super) fn reset_cache(&mut self, _: LedgerId) -> Result<Done, Failure> {
        Err(off())
    }

    pub(super) const fn hit_ratio_since(&mut self, _: LedgerId) -> String {
        String::new()
    }

    pub(super) fn restore_cache(&mut self, _: &str, _: LedgerId) -> Result<Done, Failure> {
        Err(off())
    }
}

fn off() -> Failure {
    let message = "built without the feature `cache`".into();
    (LedgerStatus::Failed, message)
}
