//! Reads a recording, whatever its bytes are.

// Whatever the bytes are.
#![deny(clippy::indexing_slicing)]

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;

use super::block::{self, ALIGN, BLOCK_HEAD, HEAD_BYTES, Head};
use crate::codec::{self, Heard, LENGTH, MAX_FRAME};
use crate::protocol::{FromHost, Hello, Timestamp, Topic, Update};
use crate::{Error, Result};

/// How much of a file is read at once while its blocks are searched.
const WINDOW: usize = 1024 * 1024;
/// How often a file may be read over in search of its blocks: those that overlap were never written by a recorder.
const MOST_READS: u64 = 4;

/// A recording's blocks, oldest first.
///
/// Opening reads the file once and keeps some 50 bytes a block. Blocks that are damaged are left out and counted; what came
/// after them is whole again within ten blocks.
#[derive(Debug)]
pub struct Recording {
    file: File,
    hello: Hello,
    blocks: Vec<Block>,
    damaged: usize,
}

#[derive(Debug)]
struct Block {
    place: u64,
    head: Head,
}

impl Recording {
    /// Opens a file.
    ///
    /// # Errors
    ///
    /// [`Error::NoRecording`] if it is none, [`Error::Io`] if it can't be read.
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(Error::io(format!("open {}", path.display())))?;
        Self::read(file).map_err(|error| match error {
            Error::Io { source, .. } => Error::io(format!("read {}", path.display()))(source),
            error => error,
        })
    }

    fn read(file: File) -> Result<Self> {
        let length = file.metadata().map_err(Error::io("read"))?.len();
        let head = read_at(&file, 0, HEAD_BYTES.min(length) as usize)?;
        let head = block::read_file_head(&head)?;
        let Heard::Message(FromHost::Hello(hello)) = codec::hear_host(head.hello)? else {
            return Err(Error::NoRecording("its head tells no host"));
        };
        let (mut blocks, damaged) = search(&file, head.size.min(length))?;
        blocks.sort_by_key(|block| block.head.sequence);
        blocks.dedup_by_key(|block| block.head.sequence);
        Ok(Self {
            file,
            hello,
            blocks,
            damaged,
        })
    }

    /// Returns the host that was recorded.
    #[must_use]
    pub const fn hello(&self) -> &Hello {
        &self.hello
    }

    /// Returns how many blocks there are, one a tick.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.blocks.len()
    }

    /// Tells whether nothing was recorded yet.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// Returns how many blocks are damaged: the one that was being written when the process ended, say.
    #[must_use]
    pub const fn damaged(&self) -> usize {
        self.damaged
    }

    /// Returns when a block was written; `None` past the last.
    #[must_use]
    pub fn at(&self, block: usize) -> Option<Timestamp> {
        let block = self.blocks.get(block)?;
        Some(Timestamp::from_micros(block.head.at_micros))
    }

    /// Returns the first block at or after a moment, the last if there is none.
    #[must_use]
    pub fn block_at(&self, at: Timestamp) -> usize {
        let earlier = |block: &Block| block.head.at_micros < at.micros();
        let found = self.blocks.partition_point(earlier);
        found.min(self.blocks.len().saturating_sub(1))
    }

    /// Returns each topic's state as it was at a block.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if the file can't be read, [`Error::Malformed`] if a block that was sound no longer is.
    pub fn states(&self, block: usize) -> Result<Vec<Arc<Update>>> {
        let mut states: [Option<Arc<Update>>; Topic::ALL.len()] = Default::default();
        for block in self.since_whole(block) {
            for update in self.updates(block)? {
                if let Some(place) = states.get_mut(update.state.topic() as usize) {
                    *place = Some(update);
                }
            }
        }
        Ok(states.into_iter().flatten().collect())
    }

    /// The blocks from the last that held every topic up to this one, without those before a gap.
    fn since_whole(&self, block: usize) -> &[Block] {
        let upto = self.blocks.get(..=block).unwrap_or_default();
        let mut from = upto.len().saturating_sub(1);
        while let (Some(before), Some(this)) = (upto.get(from.wrapping_sub(1)), upto.get(from)) {
            if this.head.whole || before.head.sequence + 1 != this.head.sequence {
                break;
            }
            from -= 1;
        }
        upto.get(from..).unwrap_or_default()
    }

    fn updates(&self, block: &Block) -> Result<Vec<Arc<Update>>> {
        let bytes = read_at(
            &self.file,
            block.place,
            BLOCK_HEAD + block.head.packed as usize,
        )?;
        let sound = block::read_head(&bytes)
            .is_some_and(|(sum, head)| head == block.head && block::is_sound(sum, &bytes));
        if !sound {
            return Err(Error::Malformed("the recording was changed meanwhile"));
        }
        let frames = block::unpack(&block.head, &bytes)?;
        let mut updates = Vec::new();
        let mut left = frames.as_slice();
        while let Some((length, rest)) = left.split_first_chunk::<LENGTH>() {
            let length = u32::from_be_bytes(*length) as usize;
            let frame = (length <= MAX_FRAME).then(|| rest.split_at_checked(length));
            let Some((frame, rest)) = frame.flatten() else {
                return Err(Error::Malformed("a block ends within a frame"));
            };
            if let Heard::Message(FromHost::Update(update)) = codec::hear_host(frame)? {
                updates.push(update);
            }
            left = rest;
        }
        Ok(updates)
    }
}

/// Finds the sound blocks, and how many are damaged.
fn search(file: &File, end: u64) -> Result<(Vec<Block>, usize)> {
    let mut blocks = Vec::new();
    let mut damaged = 0;
    let mut place = HEAD_BYTES;
    let mut to_read = end.saturating_mul(MOST_READS);
    let mut window = Window::default();
    while place + BLOCK_HEAD as u64 <= end {
        let Some((sum, head)) = block::read_head(window.at(file, place)?) else {
            place += ALIGN;
            continue;
        };
        let length = BLOCK_HEAD as u64 + u64::from(head.packed);
        if to_read < length {
            break;
        }
        to_read -= length;
        if place + length <= end && block::is_sound(sum, &read_at(file, place, length as usize)?) {
            blocks.push(Block { place, head });
            place += head.span();
        } else {
            damaged += 1;
            place += ALIGN;
        }
    }
    Ok((blocks, damaged))
}

/// A part of a file in memory.
#[derive(Default)]
struct Window {
    from: u64,
    bytes: Vec<u8>,
}

impl Window {
    /// Returns a block's head at `place`, fewer bytes at the file's end.
    fn at(&mut self, file: &File, place: u64) -> Result<&[u8]> {
        let inside =
            place >= self.from && place + BLOCK_HEAD as u64 <= self.from + self.bytes.len() as u64;
        if !inside {
            self.bytes = read_at(file, place, WINDOW)?;
            self.from = place;
        }
        let from = (place - self.from) as usize;
        let to = (from + BLOCK_HEAD).min(self.bytes.len());
        Ok(self.bytes.get(from..to).unwrap_or_default())
    }
}

/// Reads at most `length` bytes at `place`.
fn read_at(file: &File, place: u64, length: usize) -> Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    let mut read = 0;
    while let Some(room) = bytes.get_mut(read..).filter(|room| !room.is_empty()) {
        match file.read_at(room, place + read as u64) {
            Ok(0) => break,
            Ok(more) => read += more,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Error::io("read")(error)),
        }
    }
    bytes.truncate(read);
    Ok(bytes)
}
