//! Where statements are called from: the agent's side. It asks for what it does not know, and resolves what it gets.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::frame::{self, Frame};
use super::{BACKGROUND, MOST, Pair, Sites, Taken, WANTED, Wanted, resolve};
use crate::clock::Clock;
use crate::record::table::Hashed;

/// How often a pair's stack is taken before it is given up: one that was given up itself is called by nobody.
const TRIES: u8 = 3;
/// Pairs without a site that are remembered of a second, and how many of them at least.
const ACTIVE: usize = 512;
const BUSIEST: usize = 64;
/// Seconds after which a pair that nobody has run makes room for one that somebody does.
const PATIENCE: u64 = 10;
/// A stack that took longer is too deep to be resolved.
const TOO_LONG_NANOS: u64 = 5_000_000;
/// How long stacks are resolved in a tick; at least one is.
const RESOLVING_NANOS: u64 = 5_000_000;

/// What is known of call sites.
#[derive(Debug)]
pub(crate) struct Book {
    /// Whether anybody wants to know.
    wanted: bool,
    sites: HashMap<u64, Site, Hashed>,
    /// One of each, for all sites that have it.
    frames: HashSet<Arc<Frame>>,
    frame_bytes: usize,
    /// What ran in this second and has no site, with its calls.
    active: Vec<(u64, Pair)>,
    /// When each place of the table was asked for.
    asked: [u64; WANTED],
    /// Stacks that were resolved, and of those the ones in which any function had a name.
    resolved: u32,
    named: u32,
}

/// Where one route calls one statement.
#[derive(Debug)]
pub(crate) struct Site {
    statement: u64,
    /// `None` for what runs for no request.
    pub(crate) route: Option<Arc<str>>,
    /// The innermost first; none where the stack did not tell.
    pub(crate) frames: Box<[Arc<Frame>]>,
    tries: u8,
}

impl Book {
    pub(crate) fn new(wanted: bool) -> Self {
        Self {
            wanted,
            sites: HashMap::default(),
            frames: HashSet::new(),
            frame_bytes: 0,
            active: Vec::new(),
            asked: [0; WANTED],
            resolved: 0,
            named: 0,
        }
    }

    /// Notes that a route ran a statement.
    pub(in crate::record) fn ran(&mut self, pair: Pair, calls: u64) {
        if !self.wanted || self.is_settled(pair) {
            return;
        }
        self.active.push((calls, pair));
        if self.active.len() >= ACTIVE {
            self.keep_the_busiest();
        }
    }

    pub(in crate::record) const fn is_wanted(&self) -> bool {
        self.wanted
    }

    /// Resolves what was taken, and asks for what is not known; `name` names routes. Where `goes_on` says no, the deck has
    /// no time for it.
    pub(in crate::record) fn seek(
        &mut self,
        sites: &Sites,
        clock: &Clock,
        second: u64,
        goes_on: bool,
        name: impl Fn(u64) -> Option<Arc<str>>,
    ) {
        let begun = clock.start();
        while let Some(taken) = sites.next() {
            self.learn(&taken, &name);
            if clock.nanos_since(begun) > RESOLVING_NANOS {
                break;
            }
        }
        if !self.wanted || !goes_on || sites.is_over() {
            self.active.clear();
            sites.want_none();
            return;
        }
        self.keep_the_busiest();
        for (_, pair) in std::mem::take(&mut self.active) {
            // It may have been told just now.
            if self.is_settled(pair) {
                continue;
            }
            let Some(asked) = self.asked.get_mut(Wanted::index(pair.key())) else {
                continue;
            };
            if sites.want(pair, second < *asked + PATIENCE) {
                *asked = second;
            }
        }
    }

    /// The sites of a statement.
    pub(crate) fn of(&self, statement: u64) -> impl Iterator<Item = &Site> {
        let told = move |site: &&Site| site.statement == statement && !site.frames.is_empty();
        self.sites.values().filter(told)
    }

    /// Whether functions have names in stacks; `None` where nobody can tell yet.
    pub(crate) const fn names_functions(&self) -> Option<bool> {
        match (self.named, self.resolved) {
            (0, 0) => None,
            (named, _) => Some(named > 0),
        }
    }

    /// What all of it takes.
    pub(crate) fn bytes(&self) -> usize {
        let sites = self.sites.values();
        let lists = sites.map(|site| size_of_val(&*site.frames)).sum::<usize>();
        lists
            + self.sites.len() * (size_of::<Site>() + 24)
            + self.frame_bytes
            + self.active.capacity() * size_of::<(u64, Pair)>()
    }

    fn learn(&mut self, taken: &Taken, name: impl Fn(u64) -> Option<Arc<str>>) {
        let stack = taken.stack.as_ref();
        // std tells files below it from there.
        let here = std::env::current_dir().unwrap_or_default();
        let here = here.to_string_lossy();
        let told = stack
            .filter(|_| taken.nanos <= TOO_LONG_NANOS)
            .map(|stack| {
                let told = frame::read(&resolve(stack), &here);
                self.resolved += 1;
                self.named += u32::from(told.named);
                told.frames
            });
        let frames = told.unwrap_or_default().into_iter();
        let frames: Box<[_]> = frames.map(|frame| self.intern(frame)).collect();
        let pair = taken.pair;
        let route = match pair.route {
            BACKGROUND => None,
            route => match name(route) {
                Some(route) => Some(route),
                // It was forgotten meanwhile, and is told again if it goes on.
                None => return,
            },
        };
        let key = pair.key();
        if self.sites.len() >= MOST as usize && !self.sites.contains_key(&key) {
            return;
        }
        let site = self.sites.entry(key).or_insert_with(|| Site {
            statement: pair.statement,
            route,
            frames: Box::default(),
            tries: 0,
        });
        site.frames = frames;
        // No other call of it is told on another thread.
        site.tries = if stack.is_some() {
            site.tries + 1
        } else {
            TRIES
        };
    }

    fn intern(&mut self, frame: Frame) -> Arc<Frame> {
        if let Some(known) = self.frames.get(&frame) {
            return Arc::clone(known);
        }
        self.frame_bytes += frame.bytes();
        let frame = Arc::new(frame);
        self.frames.insert(Arc::clone(&frame));
        frame
    }

    /// Whether a pair's site is known, or was given up.
    fn is_settled(&self, pair: Pair) -> bool {
        let site = self.sites.get(&pair.key());
        site.is_some_and(|site| !site.frames.is_empty() || site.tries >= TRIES)
    }

    fn keep_the_busiest(&mut self) {
        self.active
            .sort_unstable_by_key(|(calls, _)| std::cmp::Reverse(*calls));
        self.active.truncate(BUSIEST);
    }
}

#[cfg(test)]
mod tests;
