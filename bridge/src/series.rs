//! A number over time in about a byte a sample: what was seen at equal steps, newest kept, packed as it comes.
//!
//! Samples gather in an open block; when it is full it is sealed into bytes that are complete in themselves, so a block
//! can be kept, written to a file or sent, and whoever gets it needs nothing else ([`unpack`]). A sample reads back the same
//! before and after: it is rounded when it comes, as its [`Kind`] says. Nothing here reads a clock; what a step is, and
//! when the first one was, is the owner's to know.

mod block;
mod fold;
mod guess;
mod kind;
mod numbers;
mod scale;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::ops::Range;
use std::vec;

pub use self::fold::{Fold, Folded};
pub use self::kind::Kind;

/// Samples to a sealed block of a [`Series`].
pub const BLOCK: usize = 256;

/// Packs samples into one block, each rounded as its kind says.
#[must_use]
pub fn pack(kind: Kind, samples: &[Option<f64>]) -> Box<[u8]> {
    let codes: Vec<i64> = samples.iter().map(|sample| code(kind, *sample)).collect();
    block::pack(kind, &codes)
}

/// Unpacks one block of at most `most` samples.
///
/// Any bytes may be given. `None` if they are not one whole block: cut short, with something after it, of a later
/// version, or of more samples; no more than those, at 16 bytes each, are ever allocated.
#[must_use]
pub fn unpack(bytes: &[u8], most: usize) -> Option<(Kind, Vec<Option<f64>>)> {
    block::unpack(bytes, most)
}

/// The newest samples of one series at one resolution.
///
/// Samples are numbered from 0 in the order in which they were pushed, and keep their number when older ones go.
///
/// # Examples
///
/// ```
/// use perfdeck_bridge::series::{Kind, Series};
///
/// let mut requests = Series::new(Kind::Count, 900);
/// for second in 0..86_400 {
///     requests.push(Some(f64::from(second % 60)));
/// }
/// assert_eq!(requests.kept(), 85_500..86_400);
/// assert_eq!(requests.newest(2).collect::<Vec<_>>(), [Some(58.0), Some(59.0)]);
/// assert!(requests.bytes() < 4_096);
/// ```
#[derive(Debug, Clone)]
pub struct Series {
    kind: Kind,
    most: usize,
    sealed: VecDeque<Box<[u8]>>,
    sealed_bytes: usize,
    /// Codes; fewer than [`BLOCK`] between two pushes.
    open: Vec<i64>,
    pushed: u64,
}

impl Series {
    /// Makes an empty one that keeps the newest `most` samples.
    #[must_use]
    pub const fn new(kind: Kind, most: usize) -> Self {
        Self {
            kind,
            most,
            sealed: VecDeque::new(),
            sealed_bytes: 0,
            open: Vec::new(),
            pushed: 0,
        }
    }

    /// Adds the next step's sample; `None` where nothing was seen.
    ///
    /// What is no number, or has no end, counts as not seen.
    pub fn push(&mut self, sample: Option<f64>) {
        self.open.push(code(self.kind, sample));
        self.pushed += 1;
        if self.open.len() >= BLOCK {
            let block = block::pack(self.kind, &self.open);
            self.open.clear();
            self.sealed_bytes += block.len();
            self.sealed.push_back(block);
            while self.sealed.len().saturating_sub(1) * BLOCK >= self.most
                && let Some(oldest) = self.sealed.pop_front()
            {
                self.sealed_bytes -= oldest.len();
            }
        }
    }

    /// Returns what it measures.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// Returns the numbers of the samples that it keeps; the end is the number of the next one.
    #[must_use]
    pub fn kept(&self) -> Range<u64> {
        self.pushed - self.held().min(self.most) as u64..self.pushed
    }

    /// Reads the samples of these numbers, oldest first; those that are not kept are left out.
    #[must_use]
    pub fn samples(&self, numbers: Range<u64>) -> Samples<'_> {
        let kept = self.kept();
        let start = numbers.start.clamp(kept.start, kept.end);
        let end = numbers.end.clamp(start, kept.end);
        // Sealed blocks are all of one length, so the first of interest is found without a look into others.
        let skipped = (start - (self.pushed - self.held() as u64)) as usize;
        let mut samples = Samples {
            series: self,
            next_block: skipped / BLOCK,
            block: Vec::new().into_iter(),
            left: (end - start) as usize,
        };
        if samples.left > 0 {
            samples.enter_next_block();
            samples.block.by_ref().take(skipped % BLOCK).for_each(drop);
        }
        samples
    }

    /// Reads the newest `most` samples, oldest first.
    #[must_use]
    pub fn newest(&self, most: usize) -> Samples<'_> {
        self.samples(self.pushed.saturating_sub(most as u64)..self.pushed)
    }

    /// Walks the sealed blocks, oldest first, for [`unpack`]; all are of [`BLOCK`] samples.
    ///
    /// The samples after them are in the open block; the first block may reach back before [`Self::kept`].
    #[must_use]
    pub fn sealed(&self) -> impl ExactSizeIterator<Item = &[u8]> + DoubleEndedIterator {
        self.sealed.iter().map(|block| &**block)
    }

    /// Returns how many bytes it holds.
    #[must_use]
    pub fn bytes(&self) -> usize {
        size_of::<Self>()
            + self.sealed.capacity() * size_of::<Box<[u8]>>()
            + self.sealed_bytes
            + self.open.capacity() * size_of::<i64>()
    }

    fn held(&self) -> usize {
        self.sealed.len() * BLOCK + self.open.len()
    }
}

/// The samples of a part of a [`Series`]; `None` where nothing was seen.
#[derive(Debug, Clone)]
pub struct Samples<'a> {
    series: &'a Series,
    next_block: usize,
    block: vec::IntoIter<Option<f64>>,
    left: usize,
}

impl Samples<'_> {
    fn enter_next_block(&mut self) {
        let Series {
            kind, sealed, open, ..
        } = self.series;
        let samples = match sealed.get(self.next_block) {
            Some(bytes) => unpack(bytes, BLOCK).map_or_else(Vec::new, |(_, samples)| samples),
            None => open.iter().map(|code| value(*kind, *code)).collect(),
        };
        self.next_block += 1;
        self.block = samples.into_iter();
    }
}

impl Iterator for Samples<'_> {
    type Item = Option<f64>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        if self.block.as_slice().is_empty() {
            self.enter_next_block();
        }
        self.block.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Samples<'_> {}

fn code(kind: Kind, sample: Option<f64>) -> i64 {
    sample
        .and_then(|value| kind.code(value))
        .unwrap_or(block::NOTHING)
}

fn value(kind: Kind, code: i64) -> Option<f64> {
    // As a floating-point number the mark would be a zero.
    if code == block::NOTHING {
        None
    } else {
        kind.value(code)
    }
}
