//! How commands to Redis come in.

use super::Recorder;
use crate::record::command::{Command, Ending, Names, Part, Word};
use crate::record::scope::{self, Remote};
use crate::record::trail::Kind;

impl Recorder {
    /// What connections to Redis and their commands are called.
    pub(crate) const fn names(&self) -> &Names {
        &self.names
    }

    /// Finds a command's word, as the service sends it.
    #[inline]
    pub(crate) fn word(&self, name: &[u8]) -> Word {
        self.names.word(name, &self.seed)
    }

    /// Files a command to Redis that went alone.
    #[inline]
    pub(crate) fn command(
        &'static self,
        remote: Option<&Remote>,
        command: Command,
        ending: Ending,
        nanos: u64,
    ) {
        note_command(remote, command, ending, nanos);
        self.write(|tables| tables.command(command, ending, nanos));
    }

    /// Files a round trip of several commands to Redis: its time is the trip's, and no command's.
    pub(crate) fn batch(
        &'static self,
        remote: Option<&Remote>,
        trip: Command,
        ending: Ending,
        nanos: u64,
        parts: &[Part],
    ) {
        note_command(remote, trip, ending, nanos);
        self.write(|tables| tables.batch(trip, ending, nanos, parts));
    }
}

/// Notes a command for the request that it ran for.
#[inline]
fn note_command(remote: Option<&Remote>, command: Command, ending: Ending, nanos: u64) {
    let kind = match ending {
        Ending::Answered | Ending::GivenUp => Kind::Command,
        Ending::Failed | Ending::TimedOut => Kind::FailedCommand,
    };
    match remote {
        None => scope::step(kind, command.raw(), nanos),
        Some(remote) => remote.step(kind, command.raw(), nanos),
    }
}
