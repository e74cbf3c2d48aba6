//! Commands to Redis.

use perfdeck_bridge::protocol::RedisRow;

use crate::agent::Agent;
use crate::record::command::Command;
use crate::record::store::{CommandRecord, per_second};
use crate::record::timeline::MINUTE;

/// Commands that are told.
const MAX_ROWS: usize = 100;

/// The commands that take most of the last minute, and how many more there are.
pub(super) fn rows(agent: &Agent) -> (Vec<RedisRow>, u64) {
    let commands = agent.store.commands.iter();
    let mut rows: Vec<_> = commands
        .map(|(command, record)| row(agent, *command, record))
        .collect();
    rows.sort_by(|a, b| {
        let wait = |row: &RedisRow| row.wait_seconds_per_second;
        let by_wait = wait(b).total_cmp(&wait(a));
        by_wait
            .then_with(|| b.calls_per_second.total_cmp(&a.calls_per_second))
            .then_with(|| b.calls.cmp(&a.calls))
            .then_with(|| (&a.connection, &a.command).cmp(&(&b.connection, &b.command)))
    });
    let more = rows.len().saturating_sub(MAX_ROWS);
    rows.truncate(MAX_ROWS);
    (rows, more as u64)
}

fn row(agent: &Agent, command: Command, record: &CommandRecord) -> RedisRow {
    let names = agent.eyes.recorder.names();
    let (times, sums) = record.timeline.minute();
    let uptime = agent.second.max(1);
    let timed = |quantile| (!times.is_empty()).then(|| times.quantile(quantile));
    RedisRow {
        connection: names.connection_name(command.connection).to_string(),
        command: names.text(command.word).to_owned(),
        round_trip: command.word.is_round_trip(),
        calls: record.calls,
        pipelined: record.batched,
        errors: record.errors,
        timeouts: record.timeouts,
        given_up: record.given_up,
        calls_per_second: per_second(sums.calls, uptime),
        error_ratio: if sums.calls > 0 {
            sums.errors as f64 / sums.calls as f64
        } else {
            0.0
        },
        p50_seconds: timed(0.5),
        p95_seconds: timed(0.95),
        wait_seconds_per_second: times.sum_seconds() / uptime.clamp(1, MINUTE) as f64,
    }
}
