//! Arguments of some calls, for the planner: kept only where the host says so, in memory, a bounded number for a bounded time,
//! as the driver encoded them. Nothing here decodes, prints or hands them to anybody but a statement for the same server.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::database::argument::Arguments;

/// Calls of one statement whose arguments are kept.
const CALLS: usize = 8;
/// Bytes of the largest arguments that are kept.
pub(super) const LARGEST: usize = 4 * 1024;
/// Statements whose arguments are kept, and bytes in all.
const MAX_STATEMENTS: usize = 1_000;
const MAX_BYTES: usize = 2 * 1024 * 1024;
/// Seconds that they are kept for.
const SECONDS: u64 = 600;
/// What one call's take beside their own bytes.
const BESIDE: usize = 200;

/// The arguments that are kept.
#[derive(Debug, Default)]
pub(crate) struct Samples {
    on: AtomicBool,
    bytes: AtomicUsize,
    statements: Mutex<HashMap<u64, Sampled>>,
}

/// Those of one statement.
#[derive(Debug, Default)]
struct Sampled {
    seen: u64,
    calls: Vec<Call>,
}

#[derive(Debug)]
struct Call {
    second: u64,
    bytes: usize,
    arguments: Arguments,
}

impl Samples {
    pub(crate) fn turn_on(&self) {
        self.on.store(true, Ordering::Relaxed);
    }

    #[inline]
    pub(super) fn is_on(&self) -> bool {
        self.on.load(Ordering::Relaxed)
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Keeps what `take` gives, if this call is one of the few; it never waits for another caller.
    pub(super) fn offer(
        &self,
        statement: u64,
        second: u64,
        take: impl FnOnce() -> Option<(Arguments, usize)>,
    ) {
        let Ok(mut statements) = self.statements.try_lock() else {
            return;
        };
        if !statements.contains_key(&statement) && statements.len() >= MAX_STATEMENTS {
            return;
        }
        let own = statements.entry(statement).or_default();
        own.seen += 1;
        let place = own.place(second);
        if place >= CALLS {
            return;
        }
        let Some((arguments, bytes)) = take() else {
            return;
        };
        let bytes = bytes + BESIDE;
        let gone = own.calls.get(place).map_or(0, |call| call.bytes);
        if self.bytes().saturating_sub(gone) + bytes > MAX_BYTES {
            return;
        }
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        let call = Call {
            second,
            bytes,
            arguments,
        };
        match own.calls.get_mut(place) {
            Some(old) => {
                self.bytes.fetch_sub(old.bytes, Ordering::Relaxed);
                *old = call;
            }
            None => own.calls.push(call),
        }
    }

    /// The arguments of a statement that are kept.
    pub(crate) fn of(&self, statement: u64) -> Vec<Arguments> {
        let statements = self
            .statements
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let calls = statements.get(&statement).map(|own| own.calls.iter());
        let calls = calls.into_iter().flatten();
        calls.map(|call| call.arguments.clone()).collect()
    }

    /// Forgets what is old.
    pub(crate) fn age(&self, second: u64) {
        if !self.is_on() {
            return;
        }
        let mut statements = self
            .statements
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        statements.retain(|_, own| {
            own.calls.retain(|call| {
                let kept = call.second + SECONDS > second;
                if !kept {
                    self.bytes.fetch_sub(call.bytes, Ordering::Relaxed);
                }
                kept
            });
            !own.calls.is_empty()
        });
    }

    /// Forgets everything, for good.
    pub(super) fn close(&self) {
        self.on.store(false, Ordering::Relaxed);
        self.age_all();
    }

    fn age_all(&self) {
        let mut statements = self
            .statements
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *statements = HashMap::new();
        self.bytes.store(0, Ordering::Relaxed);
    }
}

impl Sampled {
    /// Where this call's are put: a free place, that of one that is old, or one by lot, so that all calls have the same chance.
    fn place(&self, second: u64) -> usize {
        if self.calls.len() < CALLS {
            return self.calls.len();
        }
        let old = self
            .calls
            .iter()
            .position(|call| call.second + SECONDS <= second);
        old.unwrap_or_else(|| {
            let lot = crate::sql::stable_hash(&self.seen.to_le_bytes());
            usize::try_from(lot % self.seen).unwrap_or(CALLS)
        })
    }
}

/// Names a statement of a pool by its text.
pub(crate) fn statement(pool: u16, sql: &str) -> u64 {
    crate::sql::stable_hash(sql.as_bytes()) ^ u64::from(pool).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

#[cfg(test)]
mod tests;
