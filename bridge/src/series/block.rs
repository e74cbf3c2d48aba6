//! Many samples as few bytes, complete in themselves.
//!
//! A block is: a version (2 bits), the kind (2), how many samples, where nothing was seen (a 0 if nowhere, else a 1, a
//! bit for whether the first has a value, and the lengths of the stretches with and without in turn), then, if any has
//! a value, the scale and the numbers. It is cut nowhere: what is not one whole block is refused.

// Whatever the bytes are.
#![deny(clippy::indexing_slicing)]

use std::mem;

use super::kind::Kind;
use super::numbers::{self, Numbers};
use super::scale::Scale;
use crate::bits::{BitReader, BitWriter, Rice};

const VERSION: u64 = 0;

/// How long a stretch with or without values is taken to be at first.
const STRETCH: u64 = 8;

/// Where there is no code.
pub(super) const NOTHING: i64 = i64::MIN;

/// Packs the codes of a block.
pub(super) fn pack(kind: Kind, codes: &[i64]) -> Box<[u8]> {
    let mut out = BitWriter::with_capacity(codes.len());
    out.put(VERSION, 2);
    out.put(kind.number(), 2);
    out.put_number(codes.len() as u64);
    put_presence(codes, &mut out);

    let seen = || codes.iter().copied().filter(|code| *code != NOTHING);
    let scale = Scale::of(kind, seen());
    let numbers: Vec<i64> = seen().map(|code| scale.shrink(kind, code)).collect();
    if let Some((first, others)) = numbers.split_first() {
        scale.put(&mut out);
        numbers::put(*first, others, &mut out);
    }
    out.into_bytes()
}

/// Unpacks at most `most` samples; `None` if the bytes are not one whole block.
pub(super) fn unpack(bytes: &[u8], most: usize) -> Option<(Kind, Vec<Option<f64>>)> {
    let mut bits = BitReader::new(bytes);
    if bits.take(2) != VERSION {
        return None;
    }
    let kind = Kind::from_number(bits.take(2))?;
    let length = usize::try_from(bits.take_number()).ok()?;
    if length > most {
        return None;
    }
    let mut samples = take_presence(length, &mut bits)?;
    let mut seen = samples.iter_mut().flatten();
    if let Some(first) = seen.next() {
        let scale = Scale::take(&mut bits);
        let mut numbers = Numbers::take(&mut bits)?;
        *first = scale.grow(kind, numbers.first())?;
        for sample in seen {
            *sample = scale.grow(kind, numbers.next(&mut bits))?;
        }
    }
    bits.ended_well().then_some((kind, samples))
}

fn put_presence(codes: &[i64], out: &mut BitWriter) {
    if !codes.contains(&NOTHING) {
        out.put(0, 1);
        return;
    }
    out.put(1, 1);
    let mut present = codes.first() != Some(&NOTHING);
    out.put(u64::from(present), 1);
    let [mut lengths, mut others] = [Rice::expecting(STRETCH); 2];
    let mut rest = codes;
    while !rest.is_empty() {
        let differs = |code: &i64| (*code != NOTHING) != present;
        let length = rest.iter().position(differs).unwrap_or(rest.len());
        lengths.put(length as u64 - 1, out);
        rest = rest.get(length..).unwrap_or_default();
        present = !present;
        mem::swap(&mut lengths, &mut others);
    }
}

/// Room for the samples: zeros where values are to come.
fn take_presence(length: usize, bits: &mut BitReader<'_>) -> Option<Vec<Option<f64>>> {
    if bits.take(1) == 0 {
        return Some(vec![Some(0.0); length]);
    }
    let mut samples = Vec::with_capacity(length);
    let mut present = bits.take(1) == 1;
    let [mut lengths, mut others] = [Rice::expecting(STRETCH); 2];
    while samples.len() < length {
        let stretch = lengths.take(bits);
        if stretch >= (length - samples.len()) as u64 {
            return None;
        }
        let value = present.then_some(0.0);
        samples.resize(samples.len() + stretch as usize + 1, value);
        present = !present;
        mem::swap(&mut lengths, &mut others);
    }
    Some(samples)
}
