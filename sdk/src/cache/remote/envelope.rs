//! How a value stands in Redis: what it is, what it was made under, how long it lasts, and its bytes.
//!
//! Whoever may write to Redis may put down anything, so a value is taken only if each field says what is expected, and
//! nothing is allocated before its length is known to be within bounds. Version 1, integers little-endian:
//!
//! | offset | bytes | |
//! |---|---|---|
//! | 0 | 2 | `pd` |
//! | 2 | 1 | version, 1 |
//! | 3 | 1 | flags: 1, the payload is LZ4 |
//! | 4 | 16 | the token of the lease under which it was put down |
//! | 20 | 8 | the type's fingerprint |
//! | 28 | 16 | another hash of the key than the one that names it |
//! | 44 | 16 | the stamp |
//! | 60 | 8 | how long it is fresh, in milliseconds; 0 is for ever |
//! | 68 | 8 | how long Redis keeps it, in milliseconds |
//! | 76 | 8 | what its load took, in nanoseconds |
//! | 84 | 4 | the payload's length when it isn't compressed |
//! | 88 | 4 | CRC-32 of all other bytes |
//! | 92 | | MessagePack, structures with names |

// Whatever the bytes are.
#![deny(clippy::indexing_slicing)]

use std::time::Duration;

use super::values::Token;

const MAGIC: &[u8; 2] = b"pd";
const VERSION: u8 = 1;
const LZ4: u8 = 1;
pub(super) const HEADER: usize = 92;
const CHECKSUM: usize = 88;
/// Payloads from here on are compressed, if that saves a tenth.
const COMPRESSED: usize = 4 * 1024;
/// Longer ones are not put into Redis, nor taken out of it.
pub(in crate::cache) const LONGEST: usize = 1024 * 1024;
/// A payload that says it is longer once it isn't compressed is none.
const RAW: usize = 16 * 1024 * 1024;

/// All of a value but its payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cache) struct Header {
    pub(in crate::cache) token: Token,
    pub(in crate::cache) fingerprint: u64,
    pub(in crate::cache) check: [u8; 16],
    pub(in crate::cache) stamp: [u8; 16],
    /// For ever, if there is none.
    pub(in crate::cache) fresh: Option<Duration>,
    pub(in crate::cache) kept: Duration,
    pub(in crate::cache) cost: Duration,
}

impl Header {
    /// Writes the value; `None` if it is too long.
    pub(in crate::cache) fn sealed(&self, payload: &[u8]) -> Option<Vec<u8>> {
        if payload.len() > RAW {
            return None;
        }
        let pressed = (payload.len() >= COMPRESSED)
            .then(|| lz4_flex::block::compress(payload))
            .filter(|pressed| pressed.len() <= payload.len() / 10 * 9);
        let body = pressed.as_deref().unwrap_or(payload);
        if body.len() > LONGEST - HEADER {
            return None;
        }
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let mut bytes = Vec::with_capacity(HEADER + body.len());
        bytes.extend_from_slice(MAGIC);
        bytes.push(VERSION);
        bytes.push(if pressed.is_some() { LZ4 } else { 0 });
        bytes.extend_from_slice(&self.token);
        bytes.extend_from_slice(&self.fingerprint.to_le_bytes());
        bytes.extend_from_slice(&self.check);
        bytes.extend_from_slice(&self.stamp);
        bytes.extend_from_slice(
            &self
                .fresh
                .map_or(0, |fresh| millis(fresh).max(1))
                .to_le_bytes(),
        );
        bytes.extend_from_slice(&millis(self.kept).to_le_bytes());
        bytes.extend_from_slice(&(self.cost.as_nanos() as u64).to_le_bytes());
        bytes.extend_from_slice(&(payload.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&checksum(&bytes, body).to_le_bytes());
        bytes.extend_from_slice(body);
        Some(bytes)
    }

    /// Reads a value; `None` if it is none of ours, or not whole.
    pub(in crate::cache) fn opened(bytes: &[u8]) -> Option<(Self, Vec<u8>)> {
        if bytes.len() > LONGEST {
            return None;
        }
        let (header, body) = bytes.split_at_checked(HEADER)?;
        let (sealed, sum) = header.split_at_checked(CHECKSUM)?;
        if checksum(sealed, body).to_le_bytes() != sum {
            return None;
        }
        let mut rest = sealed;
        let [magic @ .., version, flags] = take::<4>(&mut rest)?;
        if magic != *MAGIC || version != VERSION || flags & !LZ4 != 0 {
            return None;
        }
        let token = take(&mut rest)?;
        let fingerprint = u64::from_le_bytes(take(&mut rest)?);
        let (check, stamp) = (take(&mut rest)?, take(&mut rest)?);
        let mut number = || Some(u64::from_le_bytes(take(&mut rest)?));
        let (fresh, kept, cost) = (number()?, number()?, number()?);
        let raw = u32::from_le_bytes(take(&mut rest)?) as usize;
        let payload = if flags & LZ4 == 0 {
            (body.len() == raw).then(|| body.to_vec())?
        } else {
            (raw <= RAW).then_some(())?;
            let payload = lz4_flex::block::decompress(body, raw).ok()?;
            (payload.len() == raw).then_some(payload)?
        };
        let header = Self {
            token,
            fingerprint,
            check,
            stamp,
            fresh: (fresh > 0).then(|| Duration::from_millis(fresh)),
            kept: Duration::from_millis(kept),
            cost: Duration::from_nanos(cost),
        };
        Some((header, payload))
    }
}

/// Which value this is, whole or not: what stands where the token does.
pub(super) fn identity(bytes: &[u8]) -> &[u8] {
    let end = bytes.len().min(20);
    bytes.get(4..end).unwrap_or_default()
}

fn checksum(sealed: &[u8], body: &[u8]) -> u32 {
    let mut sum = crc32fast::Hasher::new();
    sum.update(sealed);
    sum.update(body);
    sum.finalize()
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, left) = rest.split_first_chunk::<N>()?;
    *rest = left;
    Some(*taken)
}
