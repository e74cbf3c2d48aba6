//! Slots of history, oldest first, packed one behind the other.

use std::marker::PhantomData;

/// What is summed in a slot beside its latencies.
pub(crate) trait Tally:
    Copy + Default + PartialEq + std::ops::Add<Output = Self> + std::ops::Sub<Output = Self>
{
    /// How many sums there are.
    const SUMS: usize;

    /// The sums, in an order of its own.
    fn sums(self) -> impl Iterator<Item = u64>;

    /// What these sums are of.
    fn from_sums(sums: impl Iterator<Item = u64>) -> Self;
}

/// What happened in a slot.
#[derive(Debug)]
pub(crate) struct Slot<'a, S> {
    /// Its first second.
    pub(crate) second: u64,
    /// Its latencies, as [`perfdeck_bridge::histogram::Histogram::pack`] packed them.
    pub(crate) times: &'a [u8],
    pub(crate) sums: S,
}

/// A place between two slots; it stays the same when older slots go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Place(u64);

/// Slots by their seconds. One is its second (4 bytes), the length of the rest (2), its sums (1 byte for a small one) and its
/// latencies.
#[derive(Debug)]
pub(super) struct Ring<S> {
    bytes: Vec<u8>,
    /// Where the oldest slot is in `bytes`.
    start: usize,
    /// The place of the first of `bytes`.
    base: u64,
    sums: PhantomData<S>,
}

/// One part in so many is empty or let go, at most of each.
const SPARE: usize = 12;
const HEAD: usize = size_of::<u32>() + size_of::<u16>();

impl<S: Tally> Ring<S> {
    pub(super) const fn new() -> Self {
        Self {
            bytes: Vec::new(),
            start: 0,
            base: 0,
            sums: PhantomData,
        }
    }

    /// Adds a slot that is not before the last.
    pub(super) fn push(&mut self, second: u64, times: &[u8], sums: S) {
        let at = self.bytes.len();
        // A doubled vector would waste as much as it holds; a little more is as good for what grows this slowly.
        let most = HEAD + S::SUMS * 10 + times.len();
        if self.bytes.capacity() - at < most {
            self.bytes.reserve_exact(most.max(at / SPARE));
        }
        self.bytes.extend_from_slice(&(second as u32).to_le_bytes());
        self.bytes.extend_from_slice(&[0; size_of::<u16>()]);
        sums.sums().for_each(|sum| put(&mut self.bytes, sum));
        self.bytes.extend_from_slice(times);
        // The longest histogram takes 9 KiB.
        let rest = (self.bytes.len() - at - HEAD) as u16;
        if let Some(place) = self.bytes.get_mut(at + HEAD - size_of::<u16>()..at + HEAD) {
            place.copy_from_slice(&rest.to_le_bytes());
        }
    }

    /// The place before the oldest slot.
    pub(super) const fn first(&self) -> Place {
        Place(self.base + self.start as u64)
    }

    /// The place behind the newest slot.
    pub(super) const fn end(&self) -> Place {
        Place(self.base + self.bytes.len() as u64)
    }

    /// The slot at a place, and the place behind it.
    pub(super) fn at(&self, place: Place) -> Option<(Slot<'_, S>, Place)> {
        let (second, rest, next) = self.raw(place)?;
        let mut bytes = rest.iter();
        let sums = S::from_sums(std::iter::from_fn(|| Some(take(&mut bytes))).take(S::SUMS));
        let slot = Slot {
            second,
            times: bytes.as_slice(),
            sums,
        };
        Some((slot, next))
    }

    /// The second of the slot at a place.
    pub(super) fn second_at(&self, place: Place) -> Option<u64> {
        self.raw(place).map(|(second, ..)| second)
    }

    /// The slots of the seconds in `from..to`, oldest first.
    pub(super) fn between(&self, from: u64, to: u64) -> impl Iterator<Item = Slot<'_, S>> {
        let mut place = self.first();
        while let Some((second, _, next)) = self.raw(place)
            && second < from
        {
            place = next;
        }
        self.from(place).take_while(move |slot| slot.second < to)
    }

    /// The slots from a place on.
    pub(super) fn from(&self, mut place: Place) -> impl Iterator<Item = Slot<'_, S>> {
        std::iter::from_fn(move || {
            let (slot, next) = self.at(place)?;
            place = next;
            Some(slot)
        })
    }

    /// Lets go the slots before a second.
    pub(super) fn forget_before(&mut self, second: u64) {
        while let Some((oldest, _, next)) = self.raw(self.first())
            && oldest < second
        {
            self.start = (next.0 - self.base) as usize;
        }
        if self.start == self.bytes.len() {
            self.base += self.start as u64;
            (self.bytes, self.start) = (Vec::new(), 0);
        } else if self.start > self.bytes.len() / SPARE {
            self.bytes.drain(..self.start);
            self.base += self.start as u64;
            self.start = 0;
            self.bytes
                .shrink_to(self.bytes.len() + self.bytes.len() / SPARE);
        }
    }

    /// What it holds, in bytes.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes.capacity()
    }

    fn raw(&self, place: Place) -> Option<(u64, &[u8], Place)> {
        let at = usize::try_from(place.0.checked_sub(self.base)?).ok()?;
        let (head, rest) = self.bytes.get(at..)?.split_first_chunk::<HEAD>()?;
        let [a, b, c, d, e, f] = *head;
        let length = usize::from(u16::from_le_bytes([e, f]));
        let next = Place(place.0 + (HEAD + length) as u64);
        Some((
            u64::from(u32::from_le_bytes([a, b, c, d])),
            rest.get(..length)?,
            next,
        ))
    }
}

/// Seven bits a byte, the lowest first; the highest bit says that more follow.
fn put(bytes: &mut Vec<u8>, mut sum: u64) {
    while sum >= 0x80 {
        bytes.push(sum as u8 | 0x80);
        sum >>= 7;
    }
    bytes.push(sum as u8);
}

fn take(bytes: &mut std::slice::Iter<'_, u8>) -> u64 {
    let mut sum = 0;
    for shift in (0..u64::BITS).step_by(7) {
        let Some(byte) = bytes.next() else { break };
        sum |= u64::from(byte & 0x7f) << shift;
        if *byte < 0x80 {
            break;
        }
    }
    sum
}
