//! Floor 2: how signals get in. Each file is one kind of signal; all of them record through [`Eyes`].

#[cfg(all(feature = "_sqlx", feature = "advisor"))]
pub(crate) mod argument;
pub(crate) mod connection;
pub(crate) mod custom;
#[cfg(all(feature = "_sqlx", feature = "cache"))]
mod ending;
pub(crate) mod executable;
#[cfg(feature = "_sqlx")]
pub(crate) mod executor;
pub(crate) mod host;
pub(crate) mod layer;
#[cfg(all(feature = "_sqlx", not(feature = "cache")))]
mod lent;
pub(crate) mod monitor;
#[cfg(feature = "_sqlx")]
pub(crate) mod pool;
#[cfg(feature = "redis")]
pub(crate) mod redis;
#[cfg(feature = "cache")]
pub(crate) mod repeat;
pub(crate) mod request;
#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicU8, AtomicU64};

use crate::clock::Clock;
use crate::record::recorder::Recorder;

/// What all observers of one deck share, for as long as the process lives: a request that counted its users would cost
/// more than all that is recorded of it, and threads would wait for each other's counts.
///
/// A deck that is off has none, and every observer then passes through what it wraps.
#[derive(Debug)]
pub(crate) struct Eyes {
    pub(crate) recorder: &'static Recorder,
    pub(crate) clock: Clock,
    pub(crate) custom: custom::Custom,
    /// Calls of what has no cache.
    #[cfg(feature = "cache")]
    pub(crate) repeats: repeat::Repeats,
    /// The process's resident memory at the last tick, for a header.
    pub(crate) rss_bytes: AtomicU64,
    /// How the layer was built in; see [`layer::Installed`].
    pub(crate) layer: AtomicU8,
    /// What some calls had as arguments.
    #[cfg(all(feature = "_sqlx", feature = "advisor"))]
    pub(crate) samples: argument::Samples,
}

impl Eyes {
    pub(crate) fn new(clock: Clock) -> &'static Self {
        Box::leak(Box::new(Self {
            recorder: Recorder::new(),
            clock,
            custom: custom::Custom::default(),
            #[cfg(feature = "cache")]
            repeats: repeat::Repeats::default(),
            rss_bytes: AtomicU64::new(0),
            layer: AtomicU8::new(0),
            #[cfg(all(feature = "_sqlx", feature = "advisor"))]
            samples: argument::Samples::default(),
        }))
    }

    /// Itself, for as long as the deck runs, and in its own process.
    #[inline]
    pub(crate) fn open(&'static self) -> Option<&'static Self> {
        self.recorder.is_open().then_some(self)
    }

    /// Sees nothing any more, and gives back what the recorder holds.
    pub(crate) fn close(&self) {
        self.recorder.close();
        self.recorder.forget();
        #[cfg(all(feature = "_sqlx", feature = "advisor"))]
        self.samples.close();
    }
}
