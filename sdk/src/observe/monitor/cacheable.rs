//! Functions under `#[perfdeck::monitor(cacheable)]`: what equal calls of them return.

use std::fmt::{Debug, Write as _};
use std::hash::Hash;

use super::{Function, Monitor};
use crate::cache::KeyWriter;
use crate::observe::Eyes;
use crate::observe::repeat::digest::Digest;
use crate::observe::repeat::{Asked, Cacheable, Subject};

/// A call whose arguments are in the sample, if it is one.
#[derive(Debug)]
pub struct Repeating(Option<Asked>);

/// What a call returned. Its `digest` is made of its `Hash`, else of what its `Debug` prints, and is none else: method
/// resolution takes the first whose bounds hold.
#[derive(Debug)]
pub struct Answer<'a, T: ?Sized>(pub &'a T);

/// What can be seen of an answer.
#[derive(Debug, Clone, Copy)]
pub struct Seen(Option<Digest>);

/// Answers that are `Hash`.
pub trait ByHash {
    /// Looks at the answer.
    fn digest(&self) -> Seen;
}

/// Answers that are `Debug`.
pub trait ByText {
    /// Looks at the answer.
    fn digest(&self) -> Seen;
}

/// All others.
pub trait Unseen {
    /// Looks at the answer.
    fn digest(&self) -> Seen {
        Seen(None)
    }
}

impl<T: Hash + ?Sized> ByHash for &Answer<'_, T> {
    fn digest(&self) -> Seen {
        let mut digest = Digest::default();
        self.0.hash(&mut digest);
        Seen(Some(digest))
    }
}

impl<T: Debug + ?Sized> ByText for &&Answer<'_, T> {
    fn digest(&self) -> Seen {
        let mut digest = Digest::default();
        // An error is the digest's wish to see no more.
        let _ = write!(digest, "{:?}", self.0);
        Seen(Some(digest))
    }
}

impl<T: ?Sized> Unseen for Answer<'_, T> {}

impl Function {
    /// Says what its key would be made of.
    #[must_use]
    pub const fn cacheable(mut self, key: &'static str) -> Self {
        self.key = Some(key);
        self
    }

    pub(super) fn offer(&self, eyes: &Eyes, number: u16) {
        if let Some(key) = self.key {
            eyes.repeats.offer(Cacheable {
                number,
                name: self.name,
                key,
            });
        }
    }
}

impl Monitor {
    /// Notes the call's arguments, if it is watched.
    #[inline]
    #[must_use]
    pub fn asked(&self, write: impl FnOnce(&mut KeyWriter)) -> Repeating {
        let watch = self.running.and_then(|(eyes, _)| {
            // Whoever is watched was called before.
            let number = *self.function.number.get()?;
            eyes.watch(Subject::Function(number))
        });
        Repeating(watch.and_then(|watch| watch.asked(&KeyWriter::written(write))))
    }

    /// Notes what the call has returned.
    pub fn answered(&self, repeating: Repeating, seen: Seen) {
        if let (Some(mut asked), Some((eyes, start))) = (repeating.0, self.running) {
            let nanos = eyes.clock.nanos_since(start);
            match seen.0 {
                Some(digest) => {
                    asked.digest = digest;
                    asked.answered(nanos);
                }
                None => asked.answered_unseen(nanos),
            }
        }
    }
}

impl Repeating {
    /// Whether what the call returns is looked at.
    #[inline]
    #[must_use]
    pub const fn is_watched(&self) -> bool {
        self.0.is_some()
    }
}
