//! How what a shard holds of functions, pools and commands to Redis is taken in.

use std::sync::Arc;

use super::{CommandRecord, CommandWindow, PoolRecord, QueryWindow, Store};
use crate::record::command::{Command, CommandSums};
use crate::record::kept::Record as _;
use crate::record::store::FunctionRecord;
use crate::record::table::{FunctionSums, OTHER, PoolSums};

impl Store {
    pub(super) fn take_function(&mut self, name: Option<&'static str>, sums: &mut FunctionSums) {
        let window = QueryWindow {
            calls: std::mem::take(&mut sums.calls),
            errors: std::mem::take(&mut sums.errors),
            rows: 0,
        };
        let name = name.map(Arc::from);
        let record = self.functions.entry(
            name.as_ref(),
            OTHER.into(),
            window.calls,
            FunctionRecord::default,
        );
        record.calls += window.calls;
        record.errors += window.errors;
        sums.times.drain_into(&mut [&mut record.tick.0]);
        record.tick.1 = record.tick.1 + window;
    }

    pub(super) fn take_pool(&mut self, number: usize, sums: &mut PoolSums) {
        if self.pools.len() <= number {
            self.pools.resize_with(number + 1, PoolRecord::default);
        }
        let window = QueryWindow {
            calls: std::mem::take(&mut sums.acquires),
            errors: std::mem::take(&mut sums.timeouts),
            rows: 0,
        };
        if let Some(record) = self.pools.get_mut(number) {
            record.acquires += window.calls;
            record.timeouts += window.errors;
            sums.waits.drain_into(&mut [&mut record.tick.0]);
            record.tick.1 = record.tick.1 + window;
        }
    }

    pub(super) fn take_command(&mut self, key: Option<u64>, sums: &mut CommandSums) {
        let window = CommandWindow {
            calls: sums.calls,
            errors: sums.errors,
        };
        let command = key.map(Command::of_key);
        let record = self.commands.entry(
            command.as_ref(),
            Command::OTHER,
            window.calls,
            CommandRecord::other,
        );
        record.calls += sums.calls;
        record.errors += sums.errors;
        record.timeouts += sums.timeouts;
        record.given_up += sums.given_up;
        record.batched += sums.batched;
        sums.times.drain_into(&mut [&mut record.tick.0]);
        record.tick.1 = record.tick.1 + window;
    }
}
