//! A host made of samples, for tests of viewers and for looking at a viewer without a service.
//!
//! Everything here is deterministic: the same [`Sample`] gives the same states, byte for byte, at [`NOW`] unless another
//! moment is asked for. The samples hold every topic.

mod host;
mod sample;
mod voice;

use std::sync::Arc;
use std::time::Duration;

use crate::protocol::{Hello, PROTOCOL_VERSION, Risk, Role, Timestamp, Update};

pub use host::SampleHost;

/// The moment that the samples speak of: 14:21:40 UTC on 14 March 2026.
pub const NOW: Timestamp = Timestamp::from_micros(1_773_498_100_000_000);

/// A service to pretend to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sample {
    /// A service with a slow route, two verified findings and a short history.
    Typical,
    /// A service that has served nothing yet.
    Empty,
    /// A service far over its limits, with 200 routes and statements, and a deck that drops.
    Overloaded,
    /// The typical service, with every text made to harm a terminal.
    Hostile,
}

impl Sample {
    /// Every sample.
    pub const ALL: [Self; 4] = [Self::Typical, Self::Empty, Self::Overloaded, Self::Hostile];
}

/// Returns the state of every topic at [`NOW`], in the order of [`crate::protocol::Topic::ALL`].
#[must_use]
pub fn updates(sample: Sample) -> Vec<Arc<Update>> {
    updates_at(sample, NOW)
}

/// Returns the state of every topic, with all times moved so that the present is `now`.
#[must_use]
pub fn updates_at(sample: Sample, now: Timestamp) -> Vec<Arc<Update>> {
    sample::states(sample, now)
        .into_iter()
        .map(|state| {
            Arc::new(Update {
                at: now,
                state,
                left_out: 0,
            })
        })
        .collect()
}

/// Returns what the sample says of itself at [`NOW`]: started 3 h 12 min ago, with control over caches and the schema.
#[must_use]
pub fn hello(sample: Sample) -> Hello {
    hello_at(sample, NOW)
}

/// Returns what the sample says of itself if it had been started 3 h 12 min before `now`.
#[must_use]
pub fn hello_at(sample: Sample, now: Timestamp) -> Hello {
    let voice = voice::Voice::of(sample);
    Hello {
        protocol: PROTOCOL_VERSION,
        service: voice.say("support-desk"),
        version: Some(voice.say("1.8.2")),
        pid: 4121,
        started_at: before(now, Duration::from_secs(3 * 3600 + 12 * 60)),
        sdk: env!("CARGO_PKG_VERSION").to_owned(),
        role: Role::Control,
        allows: vec![Risk::Cache, Risk::Schema, Risk::Deck],
    }
}

/// Returns a host that shows the sample at [`NOW`], previews its actions, and applies them at once.
#[must_use]
pub fn host(sample: Sample) -> SampleHost {
    host_at(sample, NOW)
}

/// Returns the same host as if the present were `now`.
#[must_use]
pub fn host_at(sample: Sample, now: Timestamp) -> SampleHost {
    SampleHost::new(sample, now)
}

const fn before(now: Timestamp, age: Duration) -> Timestamp {
    now.before(age)
}
