//! The outline of a MessagePack body, walked without recursion and without making anything of it.

use crate::{Error, Result};

/// How deep lists and maps may be nested. The vocabulary needs 12.
pub const MAX_DEPTH: usize = 32;

/// How many values a frame may have, keys and containers counted.
///
/// A value takes at most some 32 bytes of memory beyond its own, so this bounds what a frame can cost.
pub const MAX_VALUES: usize = 64 * 1024;

/// Says whether `body` is just one value, whole, and within the limits.
pub(super) fn check(body: &[u8]) -> Result<()> {
    let mut rest = Rest(body);
    let mut open = [0_usize; MAX_DEPTH];
    let mut depth = 0;
    for _ in 0..MAX_VALUES {
        let children = rest.value()?;
        if children > 0 {
            // Each child has a byte at least, so a length beyond the bytes that are there is a lie.
            if children > rest.0.len() {
                return Err(TRUNCATED);
            }
            let Some(level) = open.get_mut(depth) else {
                return Err(TOO_DEEP);
            };
            *level = children;
            depth += 1;
            continue;
        }
        loop {
            let Some(level) = depth.checked_sub(1).and_then(|last| open.get_mut(last)) else {
                return if rest.0.is_empty() {
                    Ok(())
                } else {
                    Err(TRAILING)
                };
            };
            *level -= 1;
            if *level > 0 {
                break;
            }
            depth -= 1;
        }
    }
    Err(Error::Malformed("a frame has too many values"))
}

const TRUNCATED: Error = Error::Malformed("a frame ends too early");
const TRAILING: Error = Error::Malformed("a frame goes on after its end");
const TOO_DEEP: Error = Error::Malformed("a frame is nested too deep");
const FOREIGN: Error = Error::Malformed("a frame has a value of no known type");

struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    /// Steps over a value's head and its scalar content, and returns how many values it holds.
    fn value(&mut self) -> Result<usize> {
        let content = match self.number(1)? {
            marker @ 0x80..=0x8f => return Ok(2 * (marker & 0x0f)),
            marker @ 0x90..=0x9f => return Ok(marker & 0x0f),
            0xdc => return self.number(2),
            0xdd => return self.number(4),
            0xde => return Ok(self.number(2)?.saturating_mul(2)),
            0xdf => return Ok(self.number(4)?.saturating_mul(2)),
            marker @ 0xa0..=0xbf => marker & 0x1f,
            0xc4 | 0xd9 => self.number(1)?,
            0xc5 | 0xda => self.number(2)?,
            0xc6 | 0xdb => self.number(4)?,
            0x00..=0x7f | 0xc0 | 0xc2 | 0xc3 | 0xe0..=0xff => 0,
            0xcc | 0xd0 => 1,
            0xcd | 0xd1 => 2,
            0xca | 0xce | 0xd2 => 4,
            0xcb | 0xcf | 0xd3 => 8,
            // Extensions, and the one marker that MessagePack never uses.
            _ => return Err(FOREIGN),
        };
        self.skip(content)?;
        Ok(0)
    }

    fn number(&mut self, width: usize) -> Result<usize> {
        let bytes = self.skip(width)?;
        Ok(bytes
            .iter()
            .fold(0, |number, byte| number << 8 | usize::from(*byte)))
    }

    fn skip(&mut self, count: usize) -> Result<&[u8]> {
        let (skipped, rest) = self.0.split_at_checked(count).ok_or(TRUNCATED)?;
        self.0 = rest;
        Ok(skipped)
    }
}
