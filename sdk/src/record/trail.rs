//! What one request did, in order, as it is noted while it runs: a place for each step, made with the scope and used again
//! by the next request, so that a step costs a few stores.

use crate::clock::Start;

/// Steps of one request that are noted; of those beyond only the number is known.
pub(crate) const STEPS: usize = 32;

/// The shortest wait for a connection, and the shortest call of a function, that is noted: quicker ones explain nothing, and
/// could take the places of all that does.
pub(crate) const NOTED_NANOS: u64 = 100_000;

/// What a request did, in the order in which it was done with it.
#[derive(Debug)]
pub(crate) struct Trail {
    steps: [Step; STEPS],
    /// Steps so far, also those that found no place.
    taken: usize,
}

/// Something that a request did. Times are the counter's: they are only told of requests that are kept.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Step {
    /// A statement's id, or the number of a namespace, a pool, a function or a command.
    pub(crate) what: u64,
    pub(crate) ended: Start,
    /// The nanoseconds it took, above four bits for its [`Kind`].
    packed: u64,
}

/// What kind of step it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    Statement = 0,
    FailedStatement = 1,
    PoolWait = 2,
    CacheHit = 3,
    CacheMiss = 4,
    /// A value that a cache did not have was loaded.
    CacheLoad = 5,
    Function = 6,
    FailedFunction = 7,
    /// A command to Redis, or a round trip of several.
    Command = 8,
    FailedCommand = 9,
}

impl Trail {
    #[inline]
    pub(super) fn push(&mut self, step: Step) {
        if let Some(place) = self.steps.get_mut(self.taken) {
            *place = step;
        }
        self.taken += 1;
    }

    /// The steps that found a place.
    pub(crate) fn steps(&self) -> &[Step] {
        self.steps.get(..self.taken).unwrap_or(&self.steps)
    }

    /// Steps that found no place.
    pub(crate) const fn left_out(&self) -> usize {
        self.taken.saturating_sub(STEPS)
    }

    #[inline]
    pub(super) const fn clear(&mut self) {
        // What is behind the last step is never read.
        self.taken = 0;
    }
}

impl Step {
    #[inline]
    pub(crate) const fn new(kind: Kind, what: u64, ended: Start, nanos: u64) -> Self {
        Self {
            what,
            ended,
            packed: nanos << 4 | kind as u64,
        }
    }

    pub(crate) const fn nanos(&self) -> u64 {
        self.packed >> 4
    }

    pub(crate) const fn kind(&self) -> Kind {
        match self.packed & 0xf {
            0 => Kind::Statement,
            1 => Kind::FailedStatement,
            2 => Kind::PoolWait,
            3 => Kind::CacheHit,
            4 => Kind::CacheMiss,
            5 => Kind::CacheLoad,
            6 => Kind::Function,
            7 => Kind::FailedFunction,
            8 => Kind::Command,
            _ => Kind::FailedCommand,
        }
    }
}

impl Kind {
    /// A statement that has run.
    #[inline]
    pub(super) const fn ran(failed: bool) -> Self {
        if failed {
            Self::FailedStatement
        } else {
            Self::Statement
        }
    }
}

impl Default for Trail {
    fn default() -> Self {
        Self {
            steps: [Step::default(); STEPS],
            taken: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trail_keeps_the_first_steps_and_counts_the_rest() {
        let mut trail = Trail::default();
        for what in 0..40 {
            let kind = if what == 3 {
                Kind::CacheHit
            } else {
                Kind::Statement
            };
            trail.push(Step::new(kind, what, Start::default(), what * 1_000));
        }
        assert_eq!((trail.steps().len(), trail.left_out()), (STEPS, 8));
        let last = trail.steps()[STEPS - 1];
        assert_eq!((last.what, last.nanos()), (31, 31_000));
        assert_eq!(trail.steps()[3].kind(), Kind::CacheHit);
        trail.clear();
        assert_eq!((trail.steps().len(), trail.left_out()), (0, 0));
    }
}
