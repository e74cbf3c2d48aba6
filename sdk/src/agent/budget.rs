//! What the deck may take of its host, and what it gives up to stay within that.

use perfdeck_bridge::protocol::{BudgetLevel, Level};

use super::Agent;
use crate::record::timeline::{Reach, Retention};

/// What the deck may take.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Limits {
    pub(crate) memory_bytes: usize,
    /// Of one core, for the agent's thread.
    pub(crate) cpu_percent: f64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes: 32 * 1024 * 1024,
            // Code that is not optimised takes some ten times as long.
            cpu_percent: if cfg!(debug_assertions) { 10.0 } else { 1.0 },
        }
    }
}

/// Seconds that the use of the processor is measured over.
const MEASURED: u64 = 60;
/// Seconds between two steps down for want of memory: by then it shows what the last one brought, unless it is still at it.
const MEMORY_PATIENCE: u64 = 10;
/// Keys whose minutes are packed anew in a second; each takes some 20 ms, so all of them are done within a few.
const COARSENED: usize = 4;
/// Seconds before a step back.
const PATIENCE: u64 = 300;
/// The share of its limits that the deck must be under for a step back.
const CALM: f64 = 0.5;
/// How much of its reach the history keeps each second while nothing else helps.
const SHORTER: f64 = 0.9;
/// The shortest reach of the minutes, in seconds.
const SHORTEST: u64 = 900;

/// The levels, from nothing given up to all that can be.
const LEVELS: [BudgetLevel; 4] = [
    BudgetLevel::Full,
    BudgetLevel::CoarseHistory,
    BudgetLevel::NoExemplars,
    BudgetLevel::ShortHistory,
];

/// What the deck takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Use {
    /// What it holds, and what it may hold before it is looked at again.
    pub(crate) memory_bytes: usize,
    pub(crate) cpu_percent: f64,
    /// Whether what the last step gave up is not all given up yet.
    pub(crate) settles: bool,
}

/// Where the deck stands to its limits.
#[derive(Debug)]
pub(crate) struct Budget {
    pub(crate) limits: Limits,
    level: usize,
    /// When the level changed, or the use was last too much for a step back.
    since: u64,
    /// Whether minutes were packed anew in this second.
    settles: bool,
    /// Why the last step down was made.
    pub(crate) why: String,
}

impl Budget {
    pub(crate) const fn new(limits: Limits) -> Self {
        Self {
            limits,
            level: 0,
            since: 0,
            settles: false,
            why: String::new(),
        }
    }

    pub(crate) fn level(&self) -> BudgetLevel {
        LEVELS.get(self.level).copied().unwrap_or_default()
    }

    /// Looks at what is used; returns whether the level changed.
    pub(crate) fn step(&mut self, second: u64, used: Use) -> bool {
        let Limits {
            memory_bytes,
            cpu_percent,
        } = self.limits;
        let waited = second.saturating_sub(self.since);
        let patience = if used.settles {
            MEASURED
        } else {
            MEMORY_PATIENCE
        };
        let memory = used.memory_bytes > memory_bytes && waited >= patience;
        let cpu = used.cpu_percent > cpu_percent && waited >= MEASURED;
        if memory || cpu {
            let last = self.level + 1 == LEVELS.len();
            self.why = if memory {
                let mebibytes = |bytes: usize| bytes as f64 / f64::from(1 << 20);
                format!(
                    "it held {:.1} MiB of {:.0}",
                    mebibytes(used.memory_bytes),
                    mebibytes(memory_bytes)
                )
            } else {
                format!(
                    "its thread took {:.1} % of a core, and may take {cpu_percent} %",
                    used.cpu_percent
                )
            };
            self.level += usize::from(!last);
            self.since = second;
            return !last;
        }
        let calm = (used.memory_bytes as f64) < memory_bytes as f64 * CALM
            && used.cpu_percent < cpu_percent * CALM;
        if self.level > 0 && calm && waited >= PATIENCE {
            self.level -= 1;
            self.since = second;
            return true;
        }
        if self.level > 0 && !calm && waited >= MEASURED {
            // Another wait begins with the first calm second; until then nothing else is waited for.
            self.since = second - MEASURED;
        }
        false
    }

    /// Whether there is nothing left to give up but history.
    pub(crate) const fn is_last(&self) -> bool {
        self.level + 1 == LEVELS.len()
    }
}

impl Retention {
    /// What is kept at a level.
    pub(crate) const fn at(level: BudgetLevel) -> Self {
        let full = Self::FULL;
        match level {
            BudgetLevel::Full | BudgetLevel::Other => full,
            BudgetLevel::CoarseHistory | BudgetLevel::NoExemplars => Self {
                coarse: true,
                ..full
            },
            BudgetLevel::ShortHistory => Self {
                busy: full.busy.shortened(),
                other: full.other.shortened(),
                coarse: true,
            },
        }
    }

    /// Lets go the oldest of the minutes that there are at `second`; returns whether there was any to let go.
    pub(crate) fn shorten(&mut self, second: u64) -> bool {
        let Reach([seconds, tens, minutes]) = self.busy;
        let shorter = (minutes.min(second) as f64 * SHORTER) as u64;
        self.busy = Reach([seconds, tens, shorter.max(SHORTEST).min(minutes)]);
        shorter > SHORTEST
    }
}

impl Agent {
    /// Gives something up where the deck takes too much of its host, and takes it back once it does not.
    pub(super) fn keep_budget(&mut self) {
        let used = Use {
            memory_bytes: self.claimed_bytes(),
            cpu_percent: self.cpu.percent(),
            settles: self.budget.settles,
        };
        let before = self.budget.level();
        if self.budget.step(self.second, used) {
            let level = self.budget.level();
            self.store
                .keep(Retention::at(level), level < BudgetLevel::NoExemplars);
            let (light, text) = if level > before {
                (
                    Level::Near,
                    format!("perfdeck steps down to {level}: {}", self.budget.why),
                )
            } else {
                (Level::Good, format!("perfdeck steps back to {level}"))
            };
            self.changed(light, text);
        } else if self.budget.is_last() && used.memory_bytes > self.budget.limits.memory_bytes {
            // What is kept of each key takes the most; a key less is the last that can be given up.
            if !self.store.retention.shorten(self.second) {
                self.store.fewer_keys();
            }
        }
        let coarse = self.store.retention.coarse;
        self.budget.settles = coarse && self.store.coarsen(COARSENED);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        memory_bytes: 1_000,
        cpu_percent: 1.0,
    };

    /// The levels that a use leads to, second by second, and when.
    fn levels(used: impl Fn(u64) -> Use, seconds: u64) -> Vec<(u64, BudgetLevel)> {
        let mut budget = Budget::new(LIMITS);
        (1..seconds)
            .filter_map(|second| {
                let changed = budget.step(second, used(second));
                changed.then(|| (second, budget.level()))
            })
            .collect()
    }

    fn used(memory_bytes: usize, cpu_percent: f64) -> Use {
        Use {
            memory_bytes,
            cpu_percent,
            settles: false,
        }
    }

    #[test]
    fn within_its_limits_nothing_is_given_up() {
        assert_eq!(levels(|_| used(1_000, 1.0), 10_000), []);
    }

    #[test]
    fn too_much_memory_steps_down_to_the_last_level_and_no_further() {
        let down = [
            (10, BudgetLevel::CoarseHistory),
            (20, BudgetLevel::NoExemplars),
            (30, BudgetLevel::ShortHistory),
        ];
        assert_eq!(levels(|_| used(1_001, 0.1), 10_000), down);
    }

    #[test]
    fn a_step_waits_for_what_the_last_one_gives_up_but_not_for_ever() {
        let settling = |until: u64| {
            move |second| Use {
                settles: (11..until).contains(&second),
                ..used(1_001, 0.1)
            }
        };
        let second = |until| levels(settling(until), 10_000).get(1).map(|step| step.0);
        assert_eq!(second(15), Some(20));
        assert_eq!(second(33), Some(33));
        assert_eq!(second(10_000), Some(70));
    }

    #[test]
    fn the_processor_is_measured_for_a_minute_before_each_step() {
        let down = [
            (60, BudgetLevel::CoarseHistory),
            (120, BudgetLevel::NoExemplars),
        ];
        let busy = |second| used(0, if second <= 150 { 1.5 } else { 0.8 });
        assert_eq!(
            levels(busy, 10_000),
            down,
            "and 0.8 % is not calm enough for a step back"
        );
    }

    #[test]
    fn what_was_given_up_comes_back_level_by_level() {
        let calm = |second| {
            let over = (100..115).contains(&second) || (500..=700).contains(&second);
            used(if over { 2_000 } else { 400 }, 0.1)
        };
        let changes = levels(calm, 5_000);
        let expected = [
            (100, BudgetLevel::CoarseHistory),
            (110, BudgetLevel::NoExemplars),
            (410, BudgetLevel::CoarseHistory),
        ];
        assert_eq!(changes.get(..3), Some(&expected[..]));
        let last = changes.last().copied();
        assert!(
            last.is_some_and(|(second, level)| level == BudgetLevel::Full && second < 2_000),
            "{changes:?}"
        );
    }

    #[test]
    fn a_use_that_is_hardly_calm_does_not_flap() {
        let flapping = |second: u64| {
            used(
                if second.is_multiple_of(200) {
                    1_200
                } else {
                    400
                },
                0.1,
            )
        };
        let changes = levels(flapping, 5_000);
        assert_eq!(changes.len(), 3, "{changes:?}");
    }

    #[test]
    fn history_is_shortened_to_a_quarter_of_an_hour_at_least() {
        let mut retention = Retention::at(BudgetLevel::ShortHistory);
        assert!(retention.shorten(86_400));
        let Reach(reach) = retention.busy;
        assert_eq!(reach[2], 77_760, "there were no more minutes than of a day");
        (0..1_000).for_each(|_| _ = retention.shorten(86_400));
        assert!(!retention.shorten(86_400));
        let Reach(reach) = retention.busy;
        assert_eq!(reach[2], SHORTEST);
        assert!(reach[0] >= 60);
    }
}
