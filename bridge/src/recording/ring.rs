//! Where in its file the next block goes.

use std::io;

use super::block::{self, ALIGN, HEAD_BYTES};

/// The least that a recording may take: some minutes of a small service.
pub const LEAST_BYTES: u64 = 1024 * 1024;

/// What a ring is written to.
pub(super) trait Paper {
    /// Writes all of `bytes` at `place`.
    fn write_at(&mut self, bytes: &[u8], place: u64) -> io::Result<()>;
}

impl Paper for std::fs::File {
    fn write_at(&mut self, bytes: &[u8], place: u64) -> io::Result<()> {
        #[cfg(test)]
        super::fault::strike().inspect_err(|_| {
            // As a disk that is full after some of the bytes.
            let (some, _) = bytes.split_at(bytes.len() / 2);
            let _ = std::os::unix::fs::FileExt::write_all_at(self, some, place);
        })?;
        std::os::unix::fs::FileExt::write_all_at(self, bytes, place)
    }
}

/// A ring of blocks.
#[derive(Debug)]
pub(super) struct Ring<P> {
    paper: P,
    size: u64,
    place: u64,
    sequence: u64,
}

impl<P: Paper> Ring<P> {
    /// Begins a ring that takes at most `size` bytes.
    pub(super) fn begin(mut paper: P, size: u64, hello: &[u8]) -> io::Result<Self> {
        let head = block::file_head(size, hello)
            .ok_or_else(|| io::Error::other("the host's hello is too long"))?;
        paper.write_at(&head, 0)?;
        Ok(Self {
            paper,
            size,
            place: HEAD_BYTES,
            sequence: 0,
        })
    }

    /// Writes a block over the oldest ones; where that fails, the next one takes its place.
    pub(super) fn write(&mut self, at_micros: u64, whole: bool, frames: &[u8]) -> io::Result<u64> {
        let block = block::block(self.sequence, at_micros, whole, frames);
        let span = (block.len() as u64).next_multiple_of(ALIGN);
        if HEAD_BYTES + span > self.size {
            return Err(io::Error::other(
                "a tick is larger than the whole recording",
            ));
        }
        if self.place + span > self.size {
            self.place = HEAD_BYTES;
        }
        // Also if it fails: what was begun of it is torn, and its number must not come again.
        self.sequence += 1;
        self.paper.write_at(&block, self.place)?;
        self.place += span;
        Ok(span)
    }
}
