//! Calls that come again with equal arguments, of what has no cache: a few functions, statements and routes at a time are
//! watched, of each the calls with some of all arguments, on their way to the agent, which tries a cache on them.
//!
//! Where nothing is watched a call pays a load and a comparison. Where something is, a call that isn't meant looks at a few
//! numbers more. What is kept of one that is are hashes and times: no argument, key or answer. It goes into a bounded buffer,
//! unless another thread is at it or it is full: then it is dropped and counted. Nobody waits.

use std::hash::{BuildHasher as _, Hash};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Eyes;
use crate::cache::curve::trial::Call;
use crate::cache::{self, Hashing, KeyWriter};

pub(crate) mod digest;

use digest::Digest;

/// What is watched at once, at most.
pub(crate) const SEATS: usize = 8;
/// Calls that the buffer of one holds: those of a second.
const ROOM: usize = 1_024;
/// Functions that say that they could be cached; those beyond are not watched.
const FUNCTIONS: usize = 256;

/// What may be watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Subject {
    /// A function by its number.
    Function(u16),
    /// A statement by its id.
    Query(u64),
    /// A route by its hash.
    Route(u64),
}

/// What is watched now, and what may be.
#[derive(Debug)]
pub(crate) struct Repeats {
    /// How many seats are taken.
    watched: AtomicUsize,
    /// Whether nobody is to take one.
    off: AtomicBool,
    seats: [Seat; SEATS],
    hasher: Hashing,
    functions: Mutex<Vec<Cacheable>>,
}

/// A function that says how it could be cached.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cacheable {
    pub(crate) number: u16,
    pub(crate) name: &'static str,
    /// The words of `#[cached]` that its key is made of.
    pub(crate) key: &'static str,
}

/// The place of one subject.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Seat {
    /// 0 while it is free.
    subject: AtomicU64,
    /// Hashes below are in the sample.
    bound: AtomicU64,
    calls: AtomicU64,
    dropped: AtomicU64,
    /// Calls in the sample that no cache is for.
    unfit: AtomicU64,
    kept: Mutex<Vec<Call>>,
}

/// A subject that is watched, at one call.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Watch {
    eyes: &'static Eyes,
    seat: &'static Seat,
}

/// A call in the sample, until it returns.
#[derive(Debug)]
pub(crate) struct Asked {
    watch: Watch,
    /// What the seat was taken by: it may be another's by the time the call returns.
    subject: u64,
    hash: u64,
    pub(crate) stamp: u32,
    pub(crate) digest: Digest,
}

/// What came since it was last taken.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    pub(crate) calls: Vec<Call>,
    pub(crate) dropped: u64,
    /// Of the sample, those that no cache is for.
    pub(crate) unfit: u64,
    /// All of them, in the sample or not.
    pub(crate) all: u64,
}

impl Subject {
    /// A number that no other has, but once in 2^63.
    const fn token(self) -> u64 {
        let token = match self {
            Self::Function(number) => (number as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15),
            Self::Query(id) => id.rotate_left(7),
            Self::Route(hash) => hash.rotate_left(31),
        };
        token | 1
    }
}

impl Default for Repeats {
    fn default() -> Self {
        Self {
            watched: AtomicUsize::new(0),
            off: AtomicBool::new(false),
            seats: Default::default(),
            hasher: Hashing::default(),
            functions: Mutex::default(),
        }
    }
}

impl Repeats {
    /// What the room of one seat takes.
    pub(crate) const ROOM_BYTES: usize = ROOM * size_of::<Call>();

    /// Whether anything is watched.
    #[inline]
    pub(crate) fn any(&self) -> bool {
        self.watched.load(Ordering::Relaxed) > 0
    }

    /// Has nothing watched, ever.
    pub(crate) fn turn_off(&self) {
        self.off.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_off(&self) -> bool {
        self.off.load(Ordering::Relaxed)
    }

    /// Makes room for the calls of a second.
    pub(crate) fn room() -> Vec<Call> {
        Vec::with_capacity(ROOM)
    }

    /// Notes a function that could be cached.
    pub(crate) fn offer(&self, function: Cacheable) {
        let mut functions = lock(&self.functions);
        let known = functions.iter().any(|known| known.name == function.name);
        if functions.len() < FUNCTIONS && !known {
            functions.push(function);
        }
    }

    /// The functions that could be cached.
    pub(crate) fn offered(&self) -> Vec<Cacheable> {
        lock(&self.functions).clone()
    }

    /// Watches a subject on a seat from now on, the calls of keys that are halved so often.
    pub(crate) fn watch(&self, seat: usize, subject: Subject, halvings: u32) {
        let Some(seat) = self.seats.get(seat) else {
            return;
        };
        let was_free = seat.subject.swap(0, Ordering::Relaxed) == 0;
        *lock(&seat.kept) = Self::room();
        seat.calls.store(0, Ordering::Relaxed);
        seat.dropped.store(0, Ordering::Relaxed);
        seat.unfit.store(0, Ordering::Relaxed);
        let bound = u64::MAX.checked_shr(halvings).unwrap_or(0);
        seat.bound.store(bound, Ordering::Relaxed);
        seat.subject.store(subject.token(), Ordering::Relaxed);
        self.watched
            .fetch_add(usize::from(was_free), Ordering::Relaxed);
    }

    /// Frees a seat, and its room.
    pub(crate) fn leave(&self, seat: usize) {
        let Some(seat) = self.seats.get(seat) else {
            return;
        };
        if seat.subject.swap(0, Ordering::Relaxed) != 0 {
            self.watched.fetch_sub(1, Ordering::Relaxed);
        }
        *lock(&seat.kept) = Vec::new();
    }

    /// Takes what was kept on a seat, and leaves `room` in its place.
    pub(crate) fn take(&self, seat: usize, room: Vec<Call>) -> Option<Taken> {
        let seat = self.seats.get(seat)?;
        Some(Taken {
            calls: std::mem::replace(&mut *lock(&seat.kept), room),
            dropped: seat.dropped.swap(0, Ordering::Relaxed),
            unfit: seat.unfit.swap(0, Ordering::Relaxed),
            all: seat.calls.swap(0, Ordering::Relaxed),
        })
    }
}

impl Eyes {
    /// The subject's place, if it is watched and this is no load of a cache's own.
    #[inline]
    pub(crate) fn watch(&'static self, subject: Subject) -> Option<Watch> {
        if !self.repeats.any() {
            return None;
        }
        self.seat(subject)
    }

    #[cold]
    fn seat(&'static self, subject: Subject) -> Option<Watch> {
        let token = subject.token();
        let mut seats = self.repeats.seats.iter();
        let seat = seats.find(|seat| seat.subject.load(Ordering::Relaxed) == token)?;
        // What a cache loads has one.
        (!cache::is_loading()).then_some(Watch { eyes: self, seat })
    }
}

impl Seat {
    fn is_full(&self) -> bool {
        let kept = self.kept.try_lock();
        kept.is_ok_and(|kept| kept.len() >= kept.capacity())
    }
}

impl Watch {
    /// Counts a call; `None` if its key is not in the sample, or can't be one.
    pub(crate) fn asked(self, key: &KeyWriter) -> Option<Asked> {
        let hash = key.hashed_by(&self.eyes.repeats.hasher)?;
        self.sampled(hash)?;
        self.told(hash)
    }

    /// The hash of something that is asked.
    #[inline]
    pub(crate) fn hash(self, of: impl Hash) -> u64 {
        self.eyes.repeats.hasher.hash_one(of)
    }

    /// Counts a call; `None` if a key of this hash is not in the sample, which the hash's upper bits choose.
    #[inline]
    pub(crate) fn sampled(self, hash: u64) -> Option<()> {
        self.seat.calls.fetch_add(1, Ordering::Relaxed);
        (hash < self.seat.bound.load(Ordering::Relaxed)).then_some(())
    }

    /// Counts a call in the sample that no cache is for.
    pub(crate) fn unfit(self) {
        self.seat.unfit.fetch_add(1, Ordering::Relaxed);
    }

    /// A call in the sample; `None` if there is no room for it.
    pub(crate) fn told(self, hash: u64) -> Option<Asked> {
        if self.seat.is_full() {
            // Nothing is hashed for nothing.
            self.seat.dropped.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        Some(Asked {
            watch: self,
            subject: self.seat.subject.load(Ordering::Relaxed),
            hash,
            stamp: 0,
            digest: Digest::default(),
        })
    }
}

impl Asked {
    /// Sets apart what was asked with the same key and is another question all the same.
    pub(crate) const fn vary(&mut self, by: u64) {
        // The upper bits choose the sample.
        self.hash ^= by >> 32;
    }

    /// The call has returned what the digest is of, after so many nanoseconds.
    pub(crate) fn answered(self, nanos: u64) {
        // Of a longer answer nobody knows whether it is the same.
        if let Some(answer) = self.digest.finish() {
            self.keep(nanos, answer);
        }
    }

    /// The call has returned what can't be looked at.
    pub(crate) fn answered_unseen(self, nanos: u64) {
        self.keep(nanos, 0);
    }

    fn keep(&self, nanos: u64, answer: u32) {
        let seat = self.watch.seat;
        let call = Call {
            hash: self.hash,
            at: self.watch.eyes.clock.now().0,
            nanos,
            stamp: self.stamp,
            answer,
        };
        if let Ok(mut kept) = seat.kept.try_lock()
            && kept.len() < kept.capacity()
            && seat.subject.load(Ordering::Relaxed) == self.subject
        {
            kept.push(call);
            return;
        }
        seat.dropped.fetch_add(1, Ordering::Relaxed);
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
