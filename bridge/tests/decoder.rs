//! The decoder against bytes that no honest peer sends.
//!
//! It is a test binary of its own, since it counts what is allocated.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::thread;

use perfdeck_bridge::codec::{self, Heard, LENGTH, MAX_DEPTH, MAX_FRAME, MAX_VALUES};
use perfdeck_bridge::protocol::{FromHost, FromViewer};
use serde_json::Value;

/// How many mutated frames are decoded; the long form is a hundred million:
/// `PERFDECK_FUZZ_EXECUTIONS=100000000 cargo test --release -p perfdeck-bridge --test decoder`.
const EXECUTIONS: u64 = 10_000_000;

/// A run is repeated with its seed on any machine, so the threads are always as many.
const THREADS: u64 = 4;

/// What the largest frame may become, in its size: rows of a few bytes are structs of a few hundred.
const LARGEST: u64 = 32 * MAX_FRAME as u64;

#[test]
fn promise_10_protocol_decoder_is_total() {
    let setting = |name: &str, default| match std::env::var(name) {
        Ok(wished) => wished
            .parse()
            .unwrap_or_else(|_| panic!("{name} is a number")),
        Err(_) => default,
    };
    let executions: u64 = setting("PERFDECK_FUZZ_EXECUTIONS", EXECUTIONS);
    let seed: u64 = setting("PERFDECK_FUZZ_SEED", 1);
    let frames = bodies();
    let mut counts = Counts::default();
    for body in &frames {
        counts.decode(body);
    }
    assert_eq!((counts.known, counts.malformed), (frames.len() as u64, 0));

    let run = |number: u64| {
        let (mut random, mut counts) = (Random(seed ^ (number << 32)), Counts::default());
        for _ in 0..executions.div_ceil(THREADS) {
            let body = random.mutant(&frames);
            counts.decode(&body);
        }
        counts
    };
    let counts = thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|number| scope.spawn(move || run(number)))
            .collect();
        let ended = threads.into_iter().map(|thread| thread.join().unwrap());
        ended.reduce(|sum, counts| sum.plus(&counts)).unwrap()
    });
    println!(
        "{executions} mutants of {} frames, seed {seed}: {counts:?}",
        frames.len()
    );
    let total = counts.known + counts.strange + counts.ignored + counts.malformed;
    assert!(total >= executions, "{counts:?}");
    assert!(
        counts.known > executions / 100,
        "too few are understood to reach deep: {counts:?}"
    );
    assert!(
        counts.malformed > executions / 100,
        "too few are broken: {counts:?}"
    );
    assert!(counts.strange > 0 && counts.ignored > 0, "{counts:?}");
    assert!(counts.allocated <= MAX_FRAME as u64, "{counts:?}");
}

#[test]
fn a_hostile_shape_costs_no_memory_and_no_stack() {
    let check = |body: Vec<u8>, reason: &str| {
        let mut errors = Vec::with_capacity(3);
        let allocated = allocated(|| {
            errors.push(codec::hear_host(&body).map(drop).unwrap_err());
            errors.push(codec::hear_viewer(&body).map(drop).unwrap_err());
            errors.push(codec::decode::<Value>(&body).map(drop).unwrap_err());
        });
        for error in errors {
            assert!(
                error.to_string().ends_with(reason),
                "{error} is not {reason}"
            );
        }
        assert!(allocated <= 1024, "{reason} costs {allocated} bytes");
    };
    check(vec![], "ends too early");
    check(vec![0xc1], "no known type");
    check(vec![0xd4, 1, 2], "no known type");
    check(vec![0xc0, 0xc0], "goes on after its end");
    check(vec![0xdb, 0xff, 0xff, 0xff, 0xff, b'x'], "ends too early");
    check(vec![0x81, 0xa1], "ends too early");
    // Billions of elements in a few bytes, as lists and as maps, also one in the other.
    check(vec![0xdd, 0xff, 0xff, 0xff, 0xff], "ends too early");
    check(vec![0xdf, 0xff, 0xff, 0xff, 0xff, 0xa0], "ends too early");
    check([0xdd, 0x7f, 0xff, 0xff, 0xff].repeat(20), "ends too early");
    // A tower of lists, one step beyond what is allowed, and as high as a frame can hold.
    for height in [MAX_DEPTH + 1, MAX_FRAME - 1] {
        let mut tower = vec![0x91; height];
        tower.push(0xc0);
        check(tower, "nested too deep");
        let mut tower = [0x81, 0xa0].repeat(height / 2 + MAX_DEPTH);
        tower.push(0xc0);
        check(tower, "nested too deep");
    }
    // More values than any state has.
    let mut wide = vec![0xdd, 0, 1, 0, 0];
    wide.extend(std::iter::repeat_n(0xc0, MAX_VALUES));
    check(wide, "too many values");

    let mut allowed = vec![0x91; MAX_DEPTH];
    allowed.push(0xc0);
    codec::decode::<Value>(&allowed).unwrap();
}

#[test]
fn the_widest_frames_cost_a_known_multiple_of_their_size() {
    // The vocabulary's worst: rows of the fewest bytes that make the largest structs.
    let rows = MAX_VALUES / 8;
    let mut body = b"\x81\xa6update\x92\x00\x81\xa4host\x92\x90\xdd".to_vec();
    body.extend((rows as u32).to_be_bytes());
    for _ in 0..rows {
        body.extend(b"\x94\xa0\xa0\0\xc0");
    }
    assert!(body.len() <= MAX_FRAME);
    let mut heard = Ok(Heard::Ignored);
    let allocated = allocated(|| heard = codec::hear_host(&body));
    let Heard::Message(FromHost::Update(update)) = heard.unwrap() else {
        panic!("not understood")
    };
    assert!(format!("{:?}", update.state.topic()).contains("Host"));
    println!("{} bytes become {allocated}", body.len());
    assert!(allocated <= LARGEST, "{allocated}");
}

/// Returns how many bytes this thread had at most at once beside those that it had before.
fn allocated(work: impl FnOnce()) -> u64 {
    allocation_counter::measure(work).bytes_max
}

/// What became of the mutants.
#[derive(Debug, Default)]
struct Counts {
    known: u64,
    strange: u64,
    ignored: u64,
    malformed: u64,
    /// The most bytes that one of them took.
    allocated: u64,
}

impl Counts {
    fn plus(self, other: &Self) -> Self {
        Self {
            known: self.known + other.known,
            strange: self.strange + other.strange,
            ignored: self.ignored + other.ignored,
            malformed: self.malformed + other.malformed,
            allocated: self.allocated.max(other.allocated),
        }
    }

    fn decode(&mut self, body: &[u8]) {
        let (mut viewer, mut host) = (Ok(Heard::Ignored), Ok(Heard::Ignored));
        let allocated = allocated(|| viewer = codec::hear_viewer(body))
            .max(allocated(|| host = codec::hear_host(body)));
        self.allocated = self.allocated.max(allocated);
        // What is understood can be said again, and means the same then.
        if let Ok(Heard::Message(message)) = &viewer {
            same_again::<FromViewer>(message);
        }
        if let Ok(Heard::Message(message)) = &host {
            same_again::<FromHost>(message);
        }
        match (viewer, host) {
            (Ok(Heard::Message(_)), _) | (_, Ok(Heard::Message(_))) => self.known += 1,
            (Ok(Heard::Strange(_)), _) | (_, Ok(Heard::Strange(_))) => self.strange += 1,
            (Ok(Heard::Ignored), _) | (_, Ok(Heard::Ignored)) => self.ignored += 1,
            (Err(_), Err(_)) => self.malformed += 1,
        }
    }
}

fn same_again<T: serde::Serialize + serde::de::DeserializeOwned>(message: &T) {
    // Bytes are compared, since not a number is not equal to itself.
    if let Ok(said) = codec::encode(message) {
        let heard: T = codec::decode(&said[LENGTH..]).unwrap();
        assert_eq!(codec::encode(&heard).unwrap(), said);
    }
}

/// The golden frames' bodies.
fn bodies() -> Vec<Vec<u8>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/protocol-1.json");
    let stored: Vec<Value> = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let body = |golden: &Value| {
        let frame = golden["frame"]
            .as_str()
            .unwrap()
            .as_bytes()
            .chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap());
        frame.skip(LENGTH).collect()
    };
    stored.iter().map(body).collect()
}

/// A small seeded generator (SplitMix64), so that a run can be repeated anywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    /// Makes a frame's body that is a little wrong.
    fn mutant(&mut self, frames: &[Vec<u8>]) -> Vec<u8> {
        let mut body = self.pick(frames).clone();
        if self.below(2) == 0 {
            // Whole values change places, so that the shape stays right and only the meaning is wrong.
            for _ in 0..=self.below(2) {
                let (start, end) = *self.pick(&values(&body));
                let other = self.pick(frames);
                let (from, to) = *self.pick(&values(other));
                body.splice(start..end, other[from..to].iter().copied());
            }
        } else {
            for _ in 0..=self.below(3) {
                self.mutate(&mut body, frames);
            }
        }
        body.truncate(MAX_FRAME);
        body
    }

    fn mutate(&mut self, body: &mut Vec<u8>, frames: &[Vec<u8>]) {
        // Where a value may begin, most often.
        const MARKERS: [u8; 24] = [
            0x00, 0x7f, 0x80, 0x81, 0x8f, 0x90, 0x91, 0x9f, 0xa0, 0xa4, 0xbf, 0xc0, 0xc1, 0xc3,
            0xc4, 0xca, 0xcb, 0xcf, 0xd3, 0xd9, 0xdc, 0xdd, 0xdf, 0xff,
        ];
        const LENGTHS: [u32; 6] = [0, 1, 255, 65_536, 0x7fff_ffff, u32::MAX];
        let at = self.below(body.len() + 1);
        let (start, end) = {
            let other = self.below(body.len() + 1);
            (at.min(other), at.max(other))
        };
        match self.below(10) {
            0 => body.truncate(at),
            1 if at < body.len() => body[at] ^= 1 << self.below(8),
            2 if at < body.len() => body[at] = *self.pick(&MARKERS),
            3 => body.insert(at, *self.pick(&MARKERS)),
            // A container or a text that claims to be long.
            4 => {
                let marker = *self.pick(&[0xdb, 0xdd, 0xdf, 0xc6]);
                let length = self.pick(&LENGTHS).to_be_bytes();
                body.splice(at..at, std::iter::once(marker).chain(length));
            }
            5 => {
                body.drain(start..end);
            }
            // A part of itself again, so that lists and maps have more than they say.
            6 => {
                let part = body[start..end.min(start + 64)].to_vec();
                body.splice(at..at, part);
            }
            // A part of another message.
            7 => {
                let other = self.pick(frames);
                let from = self.below(other.len());
                let part = other[from..other.len().min(from + 64)].to_vec();
                body.splice(at..at, part);
            }
            // A tower.
            8 => {
                let height = self.below(2 * MAX_DEPTH);
                body.splice(at..at, std::iter::repeat_n(0x91, height));
            }
            // A name that a newer peer may use: same length, other letters.
            _ => {
                if let Some(letter) = body[at..].iter_mut().find(|byte| byte.is_ascii_lowercase()) {
                    *letter = b'z';
                }
            }
        }
    }
}

/// Returns where each value of a sound body begins and ends, the whole first.
fn values(body: &[u8]) -> Vec<(usize, usize)> {
    fn walk(body: &[u8], start: usize, found: &mut Vec<(usize, usize)>) -> usize {
        let number = |width: usize| {
            let bytes = &body[start + 1..start + 1 + width];
            bytes
                .iter()
                .fold(0, |number, byte| number << 8 | usize::from(*byte))
        };
        let (head, content, children) = match body[start] {
            marker @ 0x80..=0x8f => (1, 0, 2 * usize::from(marker & 0x0f)),
            marker @ 0x90..=0x9f => (1, 0, usize::from(marker & 0x0f)),
            marker @ 0xa0..=0xbf => (1, usize::from(marker & 0x1f), 0),
            0xd9 => (2, number(1), 0),
            0xda => (3, number(2), 0),
            0xdc => (3, 0, number(2)),
            0xde => (3, 0, 2 * number(2)),
            0xcc => (1, 1, 0),
            0xcd => (1, 2, 0),
            0xca | 0xce => (1, 4, 0),
            0xcb | 0xcf => (1, 8, 0),
            _ => (1, 0, 0),
        };
        let slot = found.len();
        found.push((start, start));
        let mut end = start + head + content;
        for _ in 0..children {
            end = walk(body, end, found);
        }
        found[slot].1 = end;
        end
    }
    let mut found = Vec::new();
    assert_eq!(walk(body, 0, &mut found), body.len());
    found
}
