//! What ran for no request, over the last minute.

use std::collections::VecDeque;

use super::timeline::MINUTE;

/// Statements of the last minute that belong to no request.
#[derive(Debug, Default)]
pub(crate) struct Background {
    /// Second, statements and nanoseconds; one for each drain.
    seconds: VecDeque<(u64, u64, u64)>,
    open: (u64, u64),
}

impl Background {
    pub(super) const fn add(&mut self, statements: u64, nanos: u64) {
        self.open = (self.open.0 + statements, self.open.1 + nanos);
    }

    /// Closes a second, and lets go what is older than a minute.
    pub(super) fn close(&mut self, second: u64) {
        let (statements, nanos) = std::mem::take(&mut self.open);
        self.seconds.push_back((second, statements, nanos));
        let old = |(then, ..): &mut (u64, u64, u64)| *then + MINUTE <= second;
        while self.seconds.pop_front_if(old).is_some() {}
    }

    /// The last minute's statements and nanoseconds.
    pub(crate) fn minute(&self) -> (u64, u64) {
        let seconds = self.seconds.iter();
        seconds.fold((0, 0), |sum, (_, statements, nanos)| {
            (sum.0 + statements, sum.1 + nanos)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_of_background_work_is_remembered_and_no_more() {
        let mut background = Background::default();
        for second in 1..=500 {
            background.add(2, 30);
            background.close(second);
        }
        assert_eq!(background.minute(), (120, 1_800));
        assert_eq!(background.seconds.len(), 60);
        background.close(600);
        assert_eq!(background.minute(), (0, 0));
    }
}
