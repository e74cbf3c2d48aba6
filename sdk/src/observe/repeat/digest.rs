//! A hash of an answer, so that two of them can be compared without keeping either.

use std::fmt;
use std::hash::Hasher;

/// Longer answers are not looked at to their end.
const LONGEST: usize = 64 << 10;
const FOLD: u64 = 0x9e37_79b9_7f4a_7c15;

/// Hashes bytes, the same whatever pieces they come in; in this process alone.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Digest {
    state: u64,
    /// The bytes of a word that is not whole yet.
    pending: u64,
    length: usize,
}

impl Digest {
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        if self.is_too_long() {
            return;
        }
        let room = LONGEST + 1 - self.length;
        for byte in bytes.iter().take(room) {
            self.pending = (self.pending << 8) | u64::from(*byte);
            self.length += 1;
            if self.length.is_multiple_of(8) {
                self.mix();
            }
        }
    }

    /// Adds the bytes of a value, so that it is told from its neighbours.
    pub(crate) fn value(&mut self, bytes: Option<&[u8]>) {
        let length = bytes.map_or(u64::MAX, |bytes| bytes.len() as u64);
        self.add(&length.to_le_bytes());
        self.add(bytes.unwrap_or_default());
    }

    pub(crate) const fn is_too_long(&self) -> bool {
        self.length > LONGEST
    }

    /// The hash, which is never 0; `None` of what was too long.
    pub(crate) const fn finish(mut self) -> Option<u32> {
        if self.is_too_long() {
            return None;
        }
        self.mix();
        self.pending = self.length as u64;
        self.mix();
        Some((self.state >> 32) as u32 | 1)
    }

    const fn mix(&mut self) {
        let mixed = (self.state ^ self.pending).wrapping_mul(FOLD);
        self.state = (mixed ^ (mixed >> 29)).rotate_left(23).wrapping_add(FOLD);
        self.pending = 0;
    }
}

/// For values that are `Hash`.
impl Hasher for Digest {
    fn write(&mut self, bytes: &[u8]) {
        self.add(bytes);
    }

    fn finish(&self) -> u64 {
        Self::finish(*self).map_or(0, u64::from)
    }
}

/// For values that are `Debug`: what they print.
impl fmt::Write for Digest {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.add(text.as_bytes());
        if self.is_too_long() {
            return Err(fmt::Error);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(parts: &[&[u8]]) -> Option<u32> {
        let mut digest = Digest::default();
        parts.iter().for_each(|part| digest.add(part));
        digest.finish()
    }

    #[test]
    fn the_pieces_of_an_answer_dont_matter_and_each_of_its_bytes_does() {
        let text = b"{\"id\": 17, \"title\": \"a ticket\"}";
        let whole = digest(&[text]);
        for at in 0..text.len() {
            assert_eq!(digest(&[&text[..at], &text[at..]]), whole);
            for bit in 0..8 {
                let mut other = text.to_vec();
                other[at] ^= 1 << bit;
                assert_ne!(digest(&[&other]), whole, "byte {at}, bit {bit}");
            }
        }
        assert_ne!(digest(&[b"\0"]), digest(&[b""]));
        assert_ne!(digest(&[b"\0\0\0\0\0\0\0\0"]), digest(&[b""]));
    }

    #[test]
    fn values_are_told_from_their_neighbours() {
        let values = |values: &[Option<&[u8]>]| {
            let mut digest = Digest::default();
            values.iter().for_each(|value| digest.value(*value));
            digest.finish()
        };
        let apart = values(&[Some(b"ab"), Some(b"c")]);
        assert_ne!(apart, values(&[Some(b"a"), Some(b"bc")]));
        assert_ne!(values(&[None]), values(&[Some(b"")]));
    }

    #[test]
    fn of_what_is_too_long_there_is_none() {
        let long = vec![7; LONGEST];
        assert!(digest(&[&long]).is_some());
        assert_eq!(digest(&[&long, b"1"]), None);
        assert_eq!(digest(&[&long, &long, &long]), None);
        use fmt::Write as _;
        let mut digest = Digest::default();
        let written = write!(digest, "{:?}", vec!["1234567"; 1_000_000]);
        assert!(written.is_err(), "who prints it stops");
    }
}
