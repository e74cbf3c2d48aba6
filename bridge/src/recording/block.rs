//! The bytes of the head and of a block.

// Whatever the bytes are.
#![deny(clippy::indexing_slicing)]

/// The bytes of a file's head.
pub(super) const HEAD_BYTES: u64 = 4_096;
/// Blocks begin at multiples of this.
pub(super) const ALIGN: u64 = 256;
/// The bytes of a block before its frames.
pub(super) const BLOCK_HEAD: usize = 36;
const MAGIC: &[u8; 8] = b"perfdeck";
const VERSION: u32 = 1;
const TICK: &[u8; 4] = b"TICK";

/// Makes a file's head; `None` if the hello is too long for it.
pub(super) fn file_head(size: u64, hello: &[u8]) -> Option<Vec<u8>> {
    let mut head = Vec::with_capacity(HEAD_BYTES as usize);
    head.extend_from_slice(MAGIC);
    head.extend_from_slice(&VERSION.to_be_bytes());
    head.extend_from_slice(&size.to_be_bytes());
    head.extend_from_slice(&u32::try_from(hello.len()).ok()?.to_be_bytes());
    head.extend_from_slice(hello);
    head.extend_from_slice(&crc32fast::hash(&head).to_be_bytes());
    (head.len() as u64 <= HEAD_BYTES).then_some(head)
}

/// Makes a block of frames.
pub(super) fn block(sequence: u64, at_micros: u64, whole: bool, frames: &[u8]) -> Vec<u8> {
    let packed = lz4_flex::block::compress(frames);
    let mut head = Vec::with_capacity(BLOCK_HEAD);
    head.extend_from_slice(&sequence.to_be_bytes());
    head.extend_from_slice(&at_micros.to_be_bytes());
    // Both are at most a little over `MAX_PLAIN`.
    head.extend_from_slice(&(packed.len() as u32).to_be_bytes());
    head.extend_from_slice(&(frames.len() as u32).to_be_bytes());
    head.extend_from_slice(&u32::from(whole).to_be_bytes());
    let mut sum = crc32fast::Hasher::new();
    sum.update(&head);
    sum.update(&packed);
    [
        TICK.as_slice(),
        &sum.finalize().to_be_bytes(),
        &head,
        &packed,
    ]
    .concat()
}

#[cfg(feature = "client")]
pub(super) use self::reading::*;

#[cfg(feature = "client")]
mod reading {
    use super::*;
    use crate::codec::MAX_FRAME;
    use crate::protocol::Topic;
    use crate::{Error, Result};

    /// The most bytes of a block's frames before they are packed.
    const MAX_PLAIN: usize = Topic::ALL.len() * (MAX_FRAME + 4);

    /// What a block says of itself.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(in super::super) struct Head {
        pub(in super::super) sequence: u64,
        pub(in super::super) at_micros: u64,
        pub(in super::super) packed: u32,
        pub(in super::super) plain: u32,
        /// Whether it holds every topic.
        pub(in super::super) whole: bool,
    }

    impl Head {
        /// The bytes of the whole block, up to where the next one may begin.
        pub(in super::super) fn span(&self) -> u64 {
            (BLOCK_HEAD as u64 + u64::from(self.packed)).next_multiple_of(ALIGN)
        }
    }

    /// What a file's head says.
    #[derive(Debug)]
    pub(in super::super) struct FileHead<'a> {
        pub(in super::super) size: u64,
        pub(in super::super) hello: &'a [u8],
    }

    /// Reads a file's head.
    pub(in super::super) fn read_file_head(bytes: &[u8]) -> Result<FileHead<'_>> {
        let mut left = Bytes(bytes);
        if left.take(8) != Some(MAGIC) {
            return Err(Error::NoRecording("it does not begin like one"));
        }
        match left.u32() {
            Some(VERSION) => {}
            _ => {
                return Err(Error::NoRecording(
                    "its version is another: it needs another perfdeck",
                ));
            }
        }
        let head = (|| {
            let size = left.u64()?;
            let length = left.u32()? as usize;
            let hello = left.take(length)?;
            let before = bytes.len() - left.0.len();
            let sum = left.u32()?;
            (sum == crc32fast::hash(bytes.get(..before)?)).then_some(FileHead { size, hello })
        })();
        head.ok_or(Error::NoRecording("its head is damaged"))
    }

    /// Reads a block's head; `None` if there is none here.
    pub(in super::super) fn read_head(bytes: &[u8]) -> Option<(u32, Head)> {
        let mut left = Bytes(bytes);
        if left.take(4)? != TICK {
            return None;
        }
        let sum = left.u32()?;
        let head = Head {
            sequence: left.u64()?,
            at_micros: left.u64()?,
            packed: left.u32()?,
            plain: left.u32()?,
            whole: left.u32()? == 1,
        };
        let most_packed = lz4_flex::block::get_maximum_output_size(MAX_PLAIN);
        let possible = head.plain as usize <= MAX_PLAIN && head.packed as usize <= most_packed;
        possible.then_some((sum, head))
    }

    /// Tells whether a block is what was written.
    pub(in super::super) fn is_sound(sum: u32, block: &[u8]) -> bool {
        block
            .get(8..)
            .is_some_and(|rest| crc32fast::hash(rest) == sum)
    }

    /// Unpacks a sound block's frames.
    pub(in super::super) fn unpack(head: &Head, block: &[u8]) -> Result<Vec<u8>> {
        let damaged = Error::Malformed("a block's frames can't be unpacked");
        let Some(packed) = block.get(BLOCK_HEAD..) else {
            return Err(damaged);
        };
        lz4_flex::block::decompress(packed, head.plain as usize).map_err(|_| damaged)
    }

    /// Takes numbers from the front of some bytes.
    struct Bytes<'a>(&'a [u8]);

    impl<'a> Bytes<'a> {
        fn take(&mut self, count: usize) -> Option<&'a [u8]> {
            let (taken, left) = self.0.split_at_checked(count)?;
            self.0 = left;
            Some(taken)
        }

        fn u32(&mut self) -> Option<u32> {
            Some(u32::from_be_bytes(self.take(4)?.try_into().ok()?))
        }

        fn u64(&mut self) -> Option<u64> {
            Some(u64::from_be_bytes(self.take(8)?.try_into().ok()?))
        }
    }
}
