//! The generations of namespaces, as this instance has seen them last: what Redis shows later is newer, or Redis has gone
//! back to a time before.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// A generation as Redis has it: epoch, whole invalidations, all changes.
pub(super) type Found = (Option<String>, Option<u64>, Option<u64>);

/// Epochs of a namespace that are known to be over; of an older one than these it can't be told.
const FORMER: usize = 8;

/// What was invalidated of a namespace so far, in numbers that mean something within an epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Generation {
    pub(super) epoch: String,
    pub(super) invalidations: u64,
    pub(super) changes: u64,
}

/// How what Redis has is to what was seen before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// Nothing but keys and tags was invalidated since, which the journal tells one by one.
    Same,
    /// The whole namespace was.
    Invalidated,
    /// Of an epoch that is new here.
    New,
    /// From before something that is known to have happened.
    Behind,
}

/// All that was seen; bounded by the number of namespaces.
#[derive(Debug, Default)]
pub(super) struct Generations {
    seen: HashMap<Arc<str>, Seen>,
}

#[derive(Debug)]
struct Seen {
    last: Generation,
    former: VecDeque<String>,
}

impl Generation {
    pub(super) fn new(found: Found) -> Option<Self> {
        let (epoch, invalidations, changes) = found;
        Some(Self {
            epoch: epoch?,
            invalidations: invalidations?,
            changes: changes?,
        })
    }
}

impl Generations {
    pub(super) fn order(&self, space: &str, present: &Generation) -> Order {
        let Some(Seen { last, .. }) = self.seen.get(space) else {
            return Order::New;
        };
        if self.is_behind(space, &present.epoch, present.changes) {
            Order::Behind
        } else if last.epoch != present.epoch {
            Order::New
        } else if last.invalidations == present.invalidations {
            Order::Same
        } else {
            Order::Invalidated
        }
    }

    /// Whether so many changes of an epoch are fewer than there are known to have been, or the epoch is over.
    pub(super) fn is_behind(&self, space: &str, epoch: &str, changes: u64) -> bool {
        self.seen.get(space).is_some_and(|seen| {
            if seen.last.epoch == epoch {
                changes < seen.last.changes
            } else {
                seen.former.iter().any(|former| former == epoch)
            }
        })
    }

    /// Notes what Redis has.
    pub(super) fn note(&mut self, space: &Arc<str>, present: Generation) {
        match self.seen.get_mut(space) {
            Some(seen) => {
                let last = std::mem::replace(&mut seen.last, present);
                if last.epoch != seen.last.epoch {
                    seen.former.push_back(last.epoch);
                    let over = seen.former.len().saturating_sub(FORMER);
                    seen.former.drain(..over);
                }
            }
            None => {
                let seen = Seen {
                    last: present,
                    former: VecDeque::new(),
                };
                self.seen.insert(Arc::clone(space), seen);
            }
        }
    }

    /// Notes what this instance has just made of a generation, so that it isn't taken for another's doing.
    ///
    /// One that isn't the next was changed by others as well, which the next look has to find out; so it has of one that was
    /// not looked at yet, since names made from data would fill memory here.
    pub(super) fn note_own(&mut self, space: &Arc<str>, present: Generation) {
        let follows = self.seen.get(space).is_some_and(|seen| {
            seen.last.epoch == present.epoch && present.changes == seen.last.changes + 1
        });
        if follows {
            self.note(space, present);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn generation(epoch: &str, invalidations: u64, changes: u64) -> Generation {
        Generation {
            epoch: epoch.to_owned(),
            invalidations,
            changes,
        }
    }

    #[test]
    fn what_redis_has_is_newer_or_from_before() {
        let space: Arc<str> = "users".into();
        let mut seen = Generations::default();
        let check = |seen: &Generations, present: &Generation, expected| {
            assert_eq!(seen.order("users", present), expected, "{present:?}");
        };
        check(&seen, &generation("a", 3, 9), Order::New);
        seen.note(&space, generation("a", 3, 9));
        check(&seen, &generation("a", 3, 9), Order::Same);
        check(&seen, &generation("a", 3, 12), Order::Same);
        check(&seen, &generation("a", 4, 10), Order::Invalidated);
        check(&seen, &generation("a", 3, 8), Order::Behind);
        check(&seen, &generation("b", 0, 0), Order::New);
        seen.note(&space, generation("b", 0, 0));
        check(&seen, &generation("a", 9, 99), Order::Behind);
        check(&seen, &generation("b", 0, 0), Order::Same);
    }

    #[test]
    fn epochs_that_are_over_do_not_fill_memory() {
        let space: Arc<str> = "users".into();
        let mut seen = Generations::default();
        for epoch in 0..1_000 {
            seen.note(&space, generation(&epoch.to_string(), 0, 0));
        }
        assert_eq!(seen.seen["users"].former.len(), FORMER);
        assert!(seen.is_behind("users", "998", 5));
        assert!(!seen.is_behind("users", "999", 0));
    }

    #[test]
    fn ones_own_change_is_noted_where_nobody_else_changed_anything() {
        let space: Arc<str> = "users".into();
        let mut seen = Generations::default();
        seen.note(&space, generation("a", 0, 5));
        seen.note_own(&space, generation("a", 1, 6));
        assert_eq!(seen.order("users", &generation("a", 1, 6)), Order::Same);
        seen.note_own(&"made from data".into(), generation("a", 1, 1));
        assert_eq!(seen.seen.len(), 1);
        seen.note_own(&space, generation("a", 3, 8));
        let present = generation("a", 3, 8);
        assert_eq!(seen.order("users", &present), Order::Invalidated);
    }
}
