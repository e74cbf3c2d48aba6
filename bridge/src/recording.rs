//! The flight recorder: what a viewer would have seen, in a file that outlives the process.
//!
//! A recording is a ring of checksummed blocks in a file of at most a fixed size, one block a tick; the oldest make room.
//! The blocks are written through the system's page cache without a sync, so they survive whatever ends the process
//! (SIGKILL, an abort, the out-of-memory killer), and not the machine's own end. A recorder is a viewer like any other:
//! [`record`] writes what any [`Source`](crate::Source) tells, inside the host or beside it.
//!
//! With the feature `client`, [`Recording`] reads such a file, and [`Replay`] is a source made of it.
//!
//! # The file
//!
//! All numbers are big-endian. The first 4,096 bytes are the head: `perfdeck`, a `u32` version (1), the `u64` most bytes
//! of the file, a `u32` length and so many bytes of the host's hello as a frame's body, and the CRC-32 of all before it.
//! Blocks follow, each at a multiple of 256 bytes: `TICK`; the CRC-32 of the rest of the block; a `u64` sequence number;
//! the `u64` microseconds since 1970; the `u32` packed and plain lengths of its frames; a `u32` that is 1 if the block holds
//! every topic, and 0 if only those whose state changed since the block before; then the frames, just as they are on the
//! wire, packed by LZ4. A block that does not fit before the most bytes begins after the head again.

mod block;
#[cfg(test)]
#[cfg_attr(
    not(all(feature = "client", feature = "testing")),
    expect(dead_code, reason = "the tests that let calls fail need both")
)]
mod fault;
#[cfg(feature = "client")]
mod reader;
mod recorder;
#[cfg(feature = "client")]
mod replay;
mod ring;
#[cfg(test)]
#[cfg(all(feature = "client", feature = "testing"))]
mod tests;

#[cfg(feature = "client")]
pub use self::reader::Recording;
pub use self::recorder::{Progress, Sink, record};
#[cfg(feature = "client")]
pub use self::replay::Replay;
pub use self::ring::LEAST_BYTES;
