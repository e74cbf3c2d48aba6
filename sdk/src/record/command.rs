//! Commands to Redis: the words and connections that name them, and what a shard counts of one.
//!
//! A command is a number made of its connection's and its word's. Words are a fixed list, and a bounded number beside it
//! for those that are not in it: whatever a service sends as a command's name, what is kept stays small, and nothing but a
//! plain word is kept of it.

mod known;

use std::hash::BuildHasher;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use foldhash::fast::RandomState;

use self::known::KNOWN;
use super::buckets::Buckets;
use super::room::Room;
use super::table::{OTHER, Sums};

/// Connections that are told apart; further ones share the place of the unknown.
const MAX_CONNECTIONS: usize = 64;
/// The most bytes of a connection's name.
const MAX_NAME: usize = 64;
/// Words beside the known ones that are told apart.
const MAX_WORDS: usize = 256;
/// Places for them, so that one is found quickly.
const PLACES: usize = 2 * MAX_WORDS;
/// The longest of Redis's own has 20 bytes.
const MAX_WORD: usize = 32;
/// Words that are none: the numbers before the known ones.
const SPECIAL: [&str; 3] = [OTHER, "<pipeline>", "<transaction>"];
/// An odd number, by which keys that lie close together are spread over a table, and the one that takes it back.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
const GATHER: u64 = 0xf1de_83e1_9937_733d;
const _: () = assert!(SPREAD.wrapping_mul(GATHER) == 1);

/// A command's word, by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Word(u16);

/// A command of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Command {
    pub(crate) connection: u16,
    pub(crate) word: Word,
}

/// How a command or a round trip ended, as far as its caller was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    Answered,
    /// The server answered with an error, or there was no answer to be had.
    Failed,
    TimedOut,
    /// Its caller went away before there was an answer.
    GivenUp,
}

/// What of a pipeline goes under one word.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Part {
    pub(crate) word: Word,
    pub(crate) calls: u64,
    /// Of these, the ones that failed.
    pub(crate) errors: u64,
}

/// The names behind the numbers.
#[derive(Debug, Default)]
pub(crate) struct Names {
    /// The first place is for those that are not told apart.
    connections: Mutex<Vec<Arc<str>>>,
    words: OnceLock<Words>,
}

/// Words beside the known ones, each where its hash puts it or behind; none ever goes, so nobody waits for anybody.
#[derive(Debug)]
struct Words {
    places: Box<[OnceLock<Box<str>>]>,
    taken: AtomicUsize,
}

/// One command of one connection, or its round trips of several commands.
#[derive(Debug, Default)]
pub(super) struct CommandSums {
    pub(super) calls: u64,
    pub(super) errors: u64,
    pub(super) timeouts: u64,
    pub(super) given_up: u64,
    /// Calls in round trips of several commands: nobody knows the time of one.
    pub(super) batched: u64,
    pub(super) times: Buckets,
}

impl Word {
    /// Whatever is not told apart.
    pub(crate) const OTHER: Self = Self(0);
    /// A round trip of several commands.
    pub(crate) const PIPELINE: Self = Self(1);
    /// A round trip of several commands between `MULTI` and `EXEC`.
    pub(crate) const TRANSACTION: Self = Self(2);

    /// Whether it stands for a round trip, whose commands are counted by themselves.
    pub(crate) const fn is_round_trip(self) -> bool {
        self.0 == Self::PIPELINE.0 || self.0 == Self::TRANSACTION.0
    }
}

impl Command {
    /// What is recorded where there is no room for another key.
    pub(super) const OTHER: Self = Self {
        connection: 0,
        word: Word::OTHER,
    };

    /// The command as one number.
    pub(crate) const fn raw(self) -> u64 {
        (self.connection as u64) << 16 | self.word.0 as u64
    }

    pub(crate) const fn from_raw(raw: u64) -> Self {
        Self {
            connection: (raw >> 16) as u16,
            word: Word(raw as u16),
        }
    }

    /// A key for a table that takes keys as their own hashes.
    #[inline]
    pub(super) const fn key(self) -> u64 {
        self.raw().wrapping_mul(SPREAD)
    }

    pub(super) const fn of_key(key: u64) -> Self {
        Self::from_raw(key.wrapping_mul(GATHER))
    }
}

impl Names {
    /// Names a connection; returns its number. A name that was given before is the same connection.
    pub(crate) fn connection(&self, name: &str) -> u16 {
        let end = (0..=MAX_NAME).rev().find(|end| name.is_char_boundary(*end));
        let name = name.get(..end.unwrap_or(0)).unwrap_or(name);
        let mut connections = self.lock();
        if connections.is_empty() {
            connections.push(OTHER.into());
        }
        let known = connections.iter().position(|known| **known == *name);
        let number = match known {
            Some(number) => number,
            None if connections.len() < MAX_CONNECTIONS => {
                connections.push(name.into());
                connections.len() - 1
            }
            None => 0,
        };
        number as u16
    }

    /// The names of the connections that were made known.
    pub(crate) fn connections(&self) -> Vec<Arc<str>> {
        self.lock().iter().skip(1).cloned().collect()
    }

    /// What the connection of that number is called.
    pub(crate) fn connection_name(&self, number: u16) -> Arc<str> {
        let known = self.lock().get(usize::from(number)).cloned();
        known.unwrap_or_else(|| OTHER.into())
    }

    /// The number of a command's word, as the service sends it: in any case.
    ///
    /// What is no word of letters, digits, `.`, `_` and `-`, is too long or one too many is [`Word::OTHER`].
    #[inline]
    pub(crate) fn word(&self, name: &[u8], seed: &RandomState) -> Word {
        let mut upper = [0; MAX_WORD];
        let Some(word) = upper.get_mut(..name.len()) else {
            return Word::OTHER;
        };
        word.copy_from_slice(name);
        word.make_ascii_uppercase();
        match KNOWN.binary_search_by(|known| known.as_bytes().cmp(word)) {
            Ok(place) => Word((SPECIAL.len() + place) as u16),
            Err(_) => self.unusual(word, seed),
        }
    }

    /// What a word is called.
    pub(crate) fn text(&self, word: Word) -> &str {
        let number = usize::from(word.0);
        if let Some(special) = SPECIAL.get(number) {
            return special;
        }
        let number = number - SPECIAL.len();
        if let Some(known) = KNOWN.get(number) {
            return known;
        }
        let place = self
            .words
            .get()
            .and_then(|words| words.places.get(number - KNOWN.len())?.get());
        place.map_or(OTHER, |word| word)
    }

    #[cold]
    fn unusual(&self, word: &[u8], seed: &RandomState) -> Word {
        let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-".contains(byte);
        let text = std::str::from_utf8(word).ok();
        let Some(text) = text.filter(|_| !word.is_empty() && word.iter().all(is_plain)) else {
            return Word::OTHER;
        };
        let words = self.words.get_or_init(Words::new);
        let first = seed.hash_one(word) as usize;
        let place = words.place(text, first);
        place.map_or(Word::OTHER, |place| {
            Word((SPECIAL.len() + KNOWN.len() + place) as u16)
        })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Arc<str>>> {
        self.connections
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Words {
    fn new() -> Self {
        Self {
            places: (0..PLACES).map(|_| OnceLock::new()).collect(),
            taken: AtomicUsize::new(0),
        }
    }

    /// Finds a word's place, or takes one.
    fn place(&self, word: &str, first: usize) -> Option<usize> {
        let places = (0..PLACES).map(|step| (first.wrapping_add(step)) % PLACES);
        for number in places {
            let place = self.places.get(number)?;
            let mut known = place.get();
            if known.is_none() {
                let one_more = |taken: usize| (taken < MAX_WORDS).then_some(taken + 1);
                let order = Ordering::Relaxed;
                self.taken.fetch_update(order, order, one_more).ok()?;
                if place.set(word.into()).is_err() {
                    // Another thread was quicker, maybe with the same word.
                    self.taken.fetch_sub(1, order);
                }
                known = place.get();
            }
            if known.is_some_and(|known| **known == *word) {
                return Some(number);
            }
        }
        None
    }
}

impl CommandSums {
    /// Files a command that went alone, or a round trip.
    #[inline]
    pub(super) fn ended(&mut self, ending: Ending, nanos: u64, room: &mut Room) {
        self.calls += 1;
        match ending {
            Ending::Answered => {}
            Ending::Failed => self.errors += 1,
            Ending::TimedOut => {
                self.errors += 1;
                self.timeouts += 1;
            }
            Ending::GivenUp => self.given_up += 1,
        }
        self.times.record(nanos, room);
    }

    /// Files commands of a round trip that ended so.
    pub(super) fn in_batch(&mut self, part: &Part, ending: Ending) {
        self.batched += part.calls;
        self.calls += part.calls;
        self.errors += part.errors;
        match ending {
            Ending::Answered | Ending::Failed => {}
            Ending::TimedOut => self.timeouts += part.calls,
            Ending::GivenUp => self.given_up += part.calls,
        }
    }
}

impl Sums for CommandSums {
    fn is_empty(&self) -> bool {
        self.calls == 0
    }

    fn clear(&mut self) {
        (self.calls, self.errors, self.timeouts) = (0, 0, 0);
        (self.given_up, self.batched) = (0, 0);
    }

    fn rest(&mut self) {}

    fn bytes(&self) -> usize {
        self.times.bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_words_are_in_order_and_short() {
        assert!(KNOWN.is_sorted());
        assert!(KNOWN.iter().all(|word| word.len() <= MAX_WORD));
        assert!(KNOWN.iter().all(|word| *word == word.to_ascii_uppercase()));
    }

    #[test]
    fn words_are_told_as_redis_takes_them() {
        let (names, seed) = (Names::default(), RandomState::default());
        let check = |sent: &[u8], told: &str| {
            let word = names.word(sent, &seed);
            assert_eq!(names.text(word), told, "{sent:?}");
            // However often it is asked.
            assert_eq!(names.word(sent, &seed), word);
        };
        for known in KNOWN {
            check(known.as_bytes(), known);
        }
        check(b"get", "GET");
        check(b"zRangeByScore", "ZRANGEBYSCORE");
        check(b"my.module-2_x", "MY.MODULE-2_X");
        check(b"", OTHER);
        check(b"GET key", OTHER);
        check(b"<pipeline>", OTHER);
        check(b"G\xc3\x89T", OTHER);
        check(b"\xff\xfe", OTHER);
        check(b"A\r\nDEL", OTHER);
        check(&[b'A'; MAX_WORD], &"A".repeat(MAX_WORD));
        check(&[b'A'; MAX_WORD + 1], OTHER);
        check(&vec![b'A'; 1 << 20], OTHER);
    }

    #[test]
    fn whatever_is_made_up_takes_no_more_than_its_places() {
        let (names, seed) = (Names::default(), RandomState::default());
        let mut told = std::collections::BTreeSet::new();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for number in 0..10_000 {
                        names.word(format!("X{number}").as_bytes(), &seed);
                    }
                });
            }
        });
        for number in 0..10_000 {
            let word = names.word(format!("X{number}").as_bytes(), &seed);
            let text = names.text(word);
            assert!(text == OTHER || text == format!("X{number}"));
            told.insert(text.to_owned());
        }
        assert_eq!(told.len(), MAX_WORDS + 1);
        // Those that are known keep their places.
        let get = names.word(b"GET", &seed);
        assert_eq!(names.text(get), "GET");
    }

    #[test]
    fn connections_have_their_names_and_are_bounded() {
        let names = Names::default();
        assert_eq!(names.connections(), Vec::<Arc<str>>::new());
        let cache = names.connection("cache");
        assert_eq!(cache, names.connection("cache"));
        assert_eq!(&*names.connection_name(cache), "cache");
        let long = names.connection(&"é".repeat(1_000));
        assert_eq!(&*names.connection_name(long), "é".repeat(32));
        for number in 0..1_000 {
            names.connection(&number.to_string());
        }
        assert_eq!(names.connections().len(), MAX_CONNECTIONS - 1);
        assert_eq!(names.connection("one too many"), 0);
        assert_eq!(&*names.connection_name(0), OTHER);
    }

    #[test]
    fn a_command_is_found_again_by_its_number_and_its_key() {
        for connection in [0, 1, 63] {
            for word in [0, 1, 300, u16::MAX] {
                let command = Command {
                    connection,
                    word: Word(word),
                };
                assert_eq!(Command::from_raw(command.raw()), command);
                assert_eq!(Command::of_key(command.key()), command);
            }
        }
    }
}
