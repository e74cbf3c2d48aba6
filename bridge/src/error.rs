use std::io;
use std::path::PathBuf;

use crate::protocol::Refusal;

/// What can go wrong between a host and a viewer, said as what the peer or the user can do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The host refused, and says why.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The two ends speak different versions.
    #[error(
        "the host speaks protocol {theirs} and this viewer {ours}: install the perfdeck that belongs to the host's SDK"
    )]
    Incompatible {
        /// The host's version.
        theirs: u32,
        /// This end's version.
        ours: u32,
    },
    /// The other end went away.
    #[error("the connection to the host was closed")]
    Closed,
    /// A frame that is none.
    #[error("the other end does not speak perfdeck's protocol: {0}")]
    Malformed(&'static str),
    /// A file that is no recording.
    #[error("this is no recording of perfdeck's: {0}")]
    NoRecording(&'static str),
    /// A frame over the limit.
    #[error("a frame of {size} bytes is over the limit of {limit}")]
    TooLarge {
        /// Its size.
        size: usize,
        /// [`crate::codec::MAX_FRAME`].
        limit: usize,
    },
    /// A socket file whose host is gone.
    #[error("nobody listens on {}: the service is gone", path.display())]
    Stale {
        /// The socket.
        path: PathBuf,
    },
    /// A folder that somebody else could have prepared.
    #[error("{} is not safe to use: {problem}", path.display())]
    UnsafeFolder {
        /// The folder.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The other end is silent.
    #[error("the host did not answer within {limit_seconds} s to {request}")]
    TimedOut {
        /// What was asked of it.
        request: &'static str,
        /// How long it had.
        limit_seconds: u64,
    },
    /// The operating system's word.
    #[error("could not {operation}")]
    Io {
        /// What was tried, on what.
        operation: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

impl Error {
    /// Says what was tried.
    pub(crate) fn io(operation: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let operation = operation.into();
        move |source| Self::Io { operation, source }
    }
}

/// What the bridge's fallible calls return.
pub type Result<T, E = Error> = std::result::Result<T, E>;
