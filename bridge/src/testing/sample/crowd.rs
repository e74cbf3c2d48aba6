//! A service far over its limits.

use std::time::Duration;

use super::{advice, before, course, database, ledger, service, table};
use crate::protocol::{
    Alert, AlertState, BlindSpot, Blindness, Dropped, Level, QueryId, Severity, State, Timestamp,
    Vital,
};
use crate::testing::voice::Voice;

const CROWD: u64 = 200;

pub(super) fn states(voice: &Voice, now: Timestamp) -> Vec<State> {
    let mut status = service::status(voice);
    status.current_metrics.cpu_percent = Some(398.6);
    status.current_metrics.response_time_p95 = Some(31.4);
    status.current_metrics.error_rate = 0.374;
    status.optimization_summary.performance_score = 0.0;
    status.deck.cpu_percent = 1.2;
    status.deck.memory_bytes = 31 << 20;
    status.deck.dropped = Dropped {
        recordings: 18_204_331,
        overflowed: 96_201,
        updates: 12,
        exemplars: 4_120,
    };
    status.blind_spots.insert(
        0,
        BlindSpot {
            kind: "recordings_dropped".to_owned(),
            blindness: Blindness::Partly,
            what: voice.aside().say("some of what happened"),
            why: voice
                .aside()
                .say("more was recorded at once than the deck may keep"),
            fix: voice
                .aside()
                .say("compare the totals with those of the load balancer"),
        },
    );
    status.blind_spots.sort_by_key(|spot| spot.blindness);
    status.alerts_firing = 9;

    let mut overview = service::overview(voice, now);
    overview.summary.text = voice.say(
        "Failing: 37% of all requests end in an error and the rest wait 31.4s (p95), since pool \
         `primary` has no connection left. 41 routes are over their limits.",
    );
    overview.score.value = 0.0;
    let vitals = &mut overview.vitals;
    for (vital, now) in [
        (&mut vitals.requests_per_second, 128_400.0),
        (&mut vitals.request_p95_seconds, 31.4),
        (&mut vitals.error_ratio, 0.374),
        (&mut vitals.in_flight, 40_211.0),
        (&mut vitals.pool_wait_p95_seconds, 29.8),
        (&mut vitals.pool_in_use, 20.0),
        (&mut vitals.cpu_ratio, 3.986),
        (&mut vitals.rss_bytes, 61.7e9),
    ] {
        *vital = Vital {
            now: Some(now),
            level: Level::Over,
            recent: course("12345678999", now),
        };
    }
    vitals.cache_hit_ratio = Vital {
        now: None,
        level: Level::Good,
        recent: vec![f32::NAN; 60],
    };

    let mut requests = table::requests(voice);
    let slow = requests.routes.first().cloned().unwrap_or_default();
    requests.routes = (0..CROWD)
        .map(|place| {
            let mut row = slow.clone();
            row.route = voice.say(&format!("GET /tenants/{{tenant}}/reports/{place}"));
            row.requests = 9_000_000_000 / (place + 1);
            row.requests_per_second = 64_000.0 / (place + 1) as f64;
            row.p95_seconds = 31.4 / (place + 1) as f64;
            row.p99_seconds = 60.0 / (place + 1) as f64;
            row.error_ratio = 0.374 / (place + 1) as f64;
            row.wait_share = 0.5 / (place + 1) as f64;
            row
        })
        .collect();

    let mut queries = table::queries(voice);
    queries.slow_only = true;
    if let Some(slow) = queries.queries.first().cloned() {
        queries.queries = (0..CROWD)
            .map(|place| {
                let mut row = slow.clone();
                row.id = QueryId(format!("{place:08x}"));
                row.text =
                    voice.redacted(&format!("SELECT * FROM reports_{place} WHERE tenant = $1"));
                row.p95_seconds = 29.0 / (place + 1) as f64;
                row.time_share = 0.4 / (place + 1) as f64;
                row
            })
            .collect();
    }

    let mut alerts = service::alerts(voice, now);
    alerts.alerts = (0..9)
        .map(|place| Alert {
            id: format!("pool_timeouts-{place}"),
            rule: voice.say("pool_timeouts"),
            subject: voice.say(&format!("shard-{place}")),
            severity: Severity::Critical,
            state: AlertState::Firing,
            message: voice.say(&format!(
                "pool `shard-{place}` timed out 1 204 times, over 0"
            )),
            value: 1_204.0,
            threshold: 0.0,
            unit: "count".to_owned(),
            since: before(now, Duration::from_secs(7_260 + place)),
            resolved_at: None,
            recent: course("1123589", 1_204.0),
        })
        .collect();

    let mut advice = advice::advice(voice);
    for place in 0..30 {
        if let Some(mut finding) = advice.findings.get(place % 3).cloned() {
            finding.id.0 = format!("{}-{place}", finding.id.0);
            finding.impact.wait_share /= (place + 2) as f64;
            advice.findings.push(finding);
        }
    }
    vec![
        State::Status(Box::new(status)),
        State::Overview(Box::new(overview)),
        State::Requests(requests),
        State::Queries(queries),
        State::Caches(table::caches(voice)),
        State::Database(database::crowded(&voice.aside(), now)),
        State::Alerts(alerts),
        State::Advice(advice),
        State::Ledger(ledger::ledger(voice, now)),
        State::Host(table::host(voice)),
    ]
}
