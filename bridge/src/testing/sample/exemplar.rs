//! Requests that the sample's host has kept whole.

use std::time::Duration;

use super::before;
use super::table::{DOCUMENTS, MESSAGES};
use crate::protocol::{
    Exemplar, ExemplarId, ExemplarRow, ExemplarStep, Kept, RequestRow, StepKind, Timestamp,
};
use crate::testing::voice::Voice;

/// Requests of a route; `place` is its place among the routes, from which their numbers follow.
pub(in crate::testing) fn exemplars(
    voice: &Voice,
    row: &RequestRow,
    place: usize,
    now: Timestamp,
) -> Vec<Exemplar> {
    let slow = row.p99_seconds * 1.2;
    let kinds = [
        (Kept::Sample, 9, row.p50_seconds, Some(200)),
        (Kept::Failed, 21, row.p50_seconds * 0.4, Some(503)),
        (Kept::Slow, 24, slow, Some(200)),
        (Kept::Slow, 48, row.p95_seconds, Some(200)),
        (Kept::Cancelled, 130, row.p99_seconds, None),
    ];
    kinds
        .into_iter()
        .enumerate()
        .map(|(number, (kept, ago, seconds, status))| {
            let steps = steps(voice, row, seconds, kept == Kept::Failed);
            let queries = steps.iter().filter(|step| step.kind == StepKind::Query);
            Exemplar {
                route: row.route.clone(),
                row: ExemplarRow {
                    id: ExemplarId((place * 10 + number + 1) as u64),
                    at: before(now, Duration::from_secs(ago)),
                    duration_seconds: seconds,
                    body_seconds: status.map(|_| seconds * 1.02),
                    status,
                    failed: kept == Kept::Failed,
                    cancelled: kept == Kept::Cancelled,
                    kept,
                    queries: queries.clone().count() as u32,
                    query_seconds: queries.map(|step| step.duration_seconds).sum(),
                },
                steps,
                left_out: if row.queries_per_request.p50 > 20.0 {
                    9
                } else {
                    0
                },
            }
        })
        .collect()
}

fn steps(voice: &Voice, row: &RequestRow, seconds: f64, failed: bool) -> Vec<ExemplarStep> {
    let step = |kind, name: &str, from: f64, took: f64| ExemplarStep {
        kind,
        name: voice.say(name),
        text: None,
        offset_seconds: seconds * from,
        duration_seconds: seconds * took,
        failed: false,
        hit: None,
    };
    let query = |id: &str, text: &str, from, took| ExemplarStep {
        text: Some(voice.redacted(text)),
        ..step(StepKind::Query, id, from, took)
    };
    let lookup = |name: &str, from, hit| ExemplarStep {
        hit: Some(hit),
        ..step(StepKind::CacheLookup, name, from, 0.0)
    };
    if row.queries_per_request.p50 == 0.0 {
        return Vec::new();
    }
    if row.queries_per_request.p50 > 20.0 {
        let first = step(StepKind::PoolWait, "primary", 0.001, 0.03);
        let messages = (0..31)
            .map(|number| query("77b01d4e", MESSAGES, 0.04 + f64::from(number) * 0.03, 0.028));
        return std::iter::once(first).chain(messages).collect();
    }
    vec![
        lookup("embed", 0.004, true),
        step(StepKind::PoolWait, "primary", 0.006, 0.1),
        ExemplarStep {
            failed,
            ..query("1f3a90c2", DOCUMENTS, 0.107, 0.62)
        },
        lookup("analytics", 0.74, false),
        step(StepKind::CacheLoad, "analytics", 0.745, 0.17),
        query(
            "0c9e2a11",
            "SELECT status, count(*) FROM documents WHERE uploaded_at > $1 GROUP BY status",
            0.75,
            0.16,
        ),
        step(StepKind::Function, "support::render_markdown", 0.93, 0.05),
        step(StepKind::Redis, "sessions SETEX", 0.982, 0.012),
    ]
}
