//! What the doctor knows beside the record: where the process is connected, what it is built of, and whether the wall clock
//! was set.

use crate::clock::Clock;
use crate::judge::doctor::Jump;
use crate::observe::{connection, executable};

/// Seconds between two looks at the process's connections.
const CONNECTIONS_EVERY: u64 = 60;
/// Redis's usual port.
pub(crate) const REDIS: u16 = 6379;
/// The least change of the wall clock that is told.
const JUMP_SECONDS: f64 = 2.0;
/// Seconds after which a jump is no longer told.
const JUMP_TOLD: u64 = 3_600;

/// What was seen last.
#[derive(Debug, Default)]
pub(crate) struct Sight {
    /// Connections to Redis's usual port; `None` where nobody can tell.
    pub(crate) redis_connections: Option<usize>,
    /// Whether the executable can name its functions; `None` where nobody can tell.
    pub(crate) symbols: Option<bool>,
    /// When connections are looked at next; before the first look it is the first tick.
    connections_due: Option<u64>,
    /// Seconds that the wall clock was ahead at the last tick.
    ahead: Option<f64>,
    /// The last jump, and when it was noticed.
    jumped: Option<(f64, u64)>,
}

impl Sight {
    /// Looks where it is time to; reading what the kernel tells takes well below a millisecond.
    pub(crate) fn look(&mut self, clock: &Clock, second: u64) {
        self.watch(clock.wall_ahead_seconds(), second);
        match self.connections_due {
            None => {
                self.symbols = executable::has_symbols();
                // The service connects while it starts: the first look comes a little later.
                self.connections_due = Some(second + 2);
            }
            Some(due) if due <= second => {
                self.redis_connections = connection::number_to(REDIS);
                self.connections_due = Some(second + CONNECTIONS_EVERY);
            }
            Some(_) => {}
        }
    }

    /// Returns the last jump of the wall clock, for an hour.
    pub(crate) fn jump(&self, second: u64) -> Option<Jump> {
        let (seconds, at) = self.jumped?;
        let age_seconds = second.saturating_sub(at);
        (age_seconds < JUMP_TOLD).then_some(Jump {
            seconds,
            age_seconds,
        })
    }

    fn watch(&mut self, ahead: f64, second: u64) {
        // A clock that is slewed changes by less than this from one tick to the next, and is no news.
        let moved = ahead - self.ahead.replace(ahead).unwrap_or(ahead);
        if moved.abs() > JUMP_SECONDS {
            self.jumped = Some((moved, second));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lets the wall clock be ahead by so much at each second, and expects the jump that is told at `asked`.
    fn check(ahead: &[f64], asked: u64, expected: Option<(f64, u64)>) {
        let mut sight = Sight::default();
        for (second, ahead) in ahead.iter().enumerate() {
            sight.watch(*ahead, second as u64);
        }
        let told = sight
            .jump(asked)
            .map(|jump| (jump.seconds, jump.age_seconds));
        assert_eq!(told, expected, "{ahead:?}");
    }

    #[test]
    fn a_jump_of_the_wall_clock_is_told_for_an_hour() {
        check(&[0.0, 0.0, 60.0, 60.0], 3, Some((60.0, 1)));
        check(&[0.0, -60.0], 10, Some((-60.0, 9)));
        check(&[0.0, 60.0], 3_600, Some((60.0, 3_599)));
        check(&[0.0, 60.0], 3_601, None);
    }

    #[test]
    fn a_wall_clock_that_is_slewed_or_was_wrong_from_the_start_is_no_jump() {
        check(&[0.0, 1.9, 3.8, 5.7], 4, None);
        check(&[90.0, 90.0], 2, None);
    }

    #[test]
    fn the_wall_clock_is_not_ahead_of_a_new_clock() {
        let clock = Clock::new();
        assert!(clock.wall_ahead_seconds().abs() < JUMP_SECONDS);
    }
}
