//! A namespace's terms: the policy that the code gave it, who had the most say, and what was changed since by hand.

use std::time::Duration;

use super::policy::{Eviction, Policy};

/// The terms of a namespace.
pub(super) struct Terms {
    /// As the code says.
    policy: Policy,
    by: Origin,
    conflict: bool,
    /// What counts instead.
    changed: Changed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Origin {
    Default,
    Function,
    Builder,
}

/// What an operator changed while the service runs; `None` is what the code says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Changed {
    pub(crate) capacity: Option<u64>,
    pub(crate) ttl: Option<Duration>,
}

impl Terms {
    pub(super) fn new(policy: Policy, by: Origin) -> Self {
        Self {
            policy,
            by,
            conflict: false,
            changed: Changed::default(),
        }
    }

    /// The policy that counts at present.
    pub(super) fn policy(&self) -> Policy {
        Policy {
            capacity: self.capacity(),
            ttl: self.changed.ttl.or(self.policy.ttl),
            ..self.policy.clone()
        }
    }

    /// The policy as the code says, for the terms that nobody changes.
    pub(super) const fn code(&self) -> &Policy {
        &self.policy
    }

    pub(super) const fn conflict(&self) -> bool {
        self.conflict
    }

    pub(super) const fn changed(&self) -> Changed {
        self.changed
    }

    pub(super) const fn change(&mut self, changed: Changed) {
        self.changed = changed;
    }

    /// How much the map is to hold.
    pub(super) fn capacity(&self) -> u64 {
        self.changed.capacity.unwrap_or(self.policy.capacity)
    }

    /// How long an entry is fresh whose function wants `own`: that may be shorter than what the code says of all, and is
    /// then never prolonged.
    pub(super) fn ttl(&self, own: Option<Duration>) -> Option<Duration> {
        let code = self.policy.ttl;
        let shorter = own.filter(|own| code.is_none_or(|all| *own < all));
        match (shorter, self.changed.ttl.or(code)) {
            (Some(own), Some(all)) => Some(own.min(all)),
            (own, all) => own.or(all),
        }
    }

    /// Takes a policy from whoever has more say than the one before; a map that is made already evicts and counts as it
    /// was made to.
    pub(super) fn settle(&mut self, policy: &Policy, by: Origin, is_made: bool) {
        if self.by >= by && by != Origin::Builder {
            return;
        }
        let former = std::mem::replace(&mut self.policy, policy.clone());
        self.by = by;
        if !is_made {
            if policy.unit != former.unit {
                self.changed.capacity = None;
            }
            return;
        }
        self.policy.eviction = former.eviction;
        self.conflict |= policy.eviction != former.eviction;
        if policy.unit != former.unit {
            (self.policy.unit, self.policy.capacity) = (former.unit, former.capacity);
            self.conflict = true;
        }
    }

    /// Notes that a function asks for more than the policy grants.
    pub(super) fn note_conflict(&mut self, policy: &Policy) {
        let longer = match (policy.ttl, self.policy.ttl) {
            (Some(own), Some(all)) => own > all,
            (_, _) => false,
        };
        let resized =
            policy.capacity != Policy::DEFAULT_CAPACITY && policy.capacity != self.policy.capacity;
        let evicted = policy.eviction;
        let evicts_else = evicted != Eviction::Default && evicted != self.policy.eviction;
        self.conflict |= longer || resized || evicts_else;
    }
}
