//! The tables: routes, statements, caches and pools.

use super::course;
use crate::protocol::{
    Background, BypassedQueries, CacheForecast, CacheRow, Caches, Evicted, Forecast,
    ForecastSilence, FunctionRow, Host, LedgerId, MetricRow, PoolRow, Quantities, Queries, QueryId,
    QueryRow, RedisRow, RequestRow, Requests, SharedCaches,
};
use crate::testing::voice::Voice;

pub(super) fn requests(voice: &Voice) -> Requests {
    // Route, requests, errors, a second, p95, share of the wait, statements a request, course.
    let routes = [
        (
            "GET /documents",
            703_114,
            2_210,
            61.0,
            0.412,
            0.61,
            2.0,
            "222237988888",
        ),
        (
            "GET /sessions/{id}",
            255_041,
            12,
            22.1,
            0.188,
            0.17,
            24.0,
            "555565556555",
        ),
        (
            "GET /analytics",
            21_310,
            0,
            1.85,
            0.92,
            0.09,
            4.0,
            "112233557899",
        ),
        (
            "POST /messages",
            410_877,
            604,
            35.6,
            0.041,
            0.06,
            3.0,
            "333343334333",
        ),
        (
            "GET /embed/{key}",
            298_204,
            0,
            25.9,
            0.0187,
            0.04,
            1.0,
            "222222322222",
        ),
        (
            "GET /search",
            18_420,
            1_930,
            1.6,
            0.231,
            0.02,
            2.0,
            "446644466446",
        ),
        (
            "GET /health",
            11_520,
            0,
            1.0,
            0.000_41,
            0.0,
            0.0,
            "111111111111",
        ),
    ]
    .map(
        |(route, requests, errors, rate, p95, wait_share, queries, digits)| RequestRow {
            route: voice.say(route),
            requests,
            errors,
            cancelled: requests / 40_000,
            requests_per_second: rate,
            p50_seconds: p95 * 0.31,
            p95_seconds: p95,
            p99_seconds: p95 * 1.62,
            body_p95_seconds: p95 * 1.04,
            error_ratio: errors as f64 / requests as f64,
            wait_share,
            queries_per_request: Quantities {
                p50: queries,
                p95: queries * 1.5,
                max: queries * 4.0,
            },
            query_share: (wait_share + 0.3).min(0.95),
            recent: course(digits, p95),
            in_flight: (rate * p95).ceil() as u64,
            oldest_in_flight_seconds: (wait_share > 0.0).then_some(p95 * 1.3),
        },
    );
    let functions = [
        ("support::summarise", 21_310, 1.85, 0.61),
        ("support::render_markdown", 410_877, 35.6, 0.0021),
    ]
    .map(|(name, calls, rate, p95)| FunctionRow {
        name: voice.say(name),
        calls,
        errors: 0,
        calls_per_second: rate,
        p50_seconds: p95 * 0.4,
        p95_seconds: p95,
    });
    Requests {
        requests: routes.iter().map(|row| row.requests).sum(),
        errors: routes.iter().map(|row| row.errors).sum(),
        cancelled: routes.iter().map(|row| row.cancelled).sum(),
        routes: routes.into(),
        functions: functions.into(),
        background: Background {
            queries: 41_090,
            queries_per_second: 3.6,
            query_share: 0.02,
        },
    }
}

pub(super) const DOCUMENTS: &str = "SELECT id, title, status, uploaded_at FROM documents WHERE \
    workspace_id = $1 AND status = $2 ORDER BY uploaded_at DESC LIMIT $3";
pub(super) const MESSAGES: &str =
    "SELECT id, author, body, sent_at FROM chat_messages WHERE session_id = $1 ORDER BY sent_at";

pub(super) fn queries(voice: &Voice) -> Queries {
    // Id, text, calls, a second, p95, rows, share, route, course.
    let rows = [
        (
            "1f3a90c2",
            DOCUMENTS,
            703_114,
            61.0,
            0.391,
            20.0,
            0.58,
            Some("GET /documents"),
            "222237988888",
        ),
        (
            "77b01d4e",
            MESSAGES,
            6_120_984,
            530.0,
            0.0048,
            11.2,
            0.14,
            Some("GET /sessions/{id}"),
            "555565556555",
        ),
        (
            "0c9e2a11",
            "SELECT status, count(*) FROM documents WHERE uploaded_at > $1 GROUP BY status",
            21_310,
            1.85,
            0.71,
            4.0,
            0.11,
            Some("GET /analytics"),
            "112233557899",
        ),
        (
            "b2f46d08",
            "INSERT INTO chat_messages (session_id, author, body) VALUES ($1, $2, $3)",
            410_877,
            35.6,
            0.0031,
            0.0,
            0.05,
            Some("POST /messages"),
            "333343334333",
        ),
        (
            "5d7710ef",
            "SELECT * FROM embed_codes WHERE client_key = $1",
            298_204,
            25.9,
            0.0166,
            1.0,
            0.04,
            Some("GET /embed/{key}"),
            "222222322222",
        ),
        (
            "e81c33a9",
            "UPDATE chat_sessions SET last_seen = $1 WHERE id IN ($2, …)",
            41_090,
            3.6,
            0.0092,
            0.0,
            0.02,
            None,
            "444444454444",
        ),
    ]
    .map(
        |(id, text, calls, rate, p95, rows, share, route, digits)| QueryRow {
            id: QueryId(voice.say(id)),
            text: voice.redacted(text),
            database: "postgresql".to_owned(),
            pool: Some(voice.say("primary")),
            calls,
            errors: Some(calls / 100_000),
            calls_per_second: rate,
            p50_seconds: p95 * 0.42,
            p95_seconds: p95,
            p99_seconds: p95 * 1.38,
            rows_per_call: rows,
            time_share: share,
            route: route.map(|route| voice.say(route)),
            recent: course(digits, p95),
        },
    );
    Queries {
        calls: rows.iter().map(|row| row.calls).sum(),
        unattributed: 41_090,
        slow_only: false,
        queries: rows.into(),
    }
}

pub(super) fn caches(voice: &Voice) -> Caches {
    Caches {
        namespaces: vec![
            CacheRow {
                namespace: voice.say("embed"),
                entries: 4_912,
                capacity: 64 << 20,
                capacity_in_bytes: true,
                bytes: 31_457_280,
                ttl_seconds: Some(3_600.0),
                hits: 281_900,
                misses: 16_304,
                loads: 16_301,
                joined: 3,
                hit_ratio: Some(0.945),
                lookups_per_second: 25.9,
                load_p95_seconds: Some(0.0166),
                saved_seconds_per_second: 2.04,
                saved_seconds_per_second_and_mib: Some(0.068),
                eviction: voice.say("tiny_lfu"),
                forecast: Some(CacheForecast {
                    silence: Some(ForecastSilence::NeverFull),
                    lookups: 93_240,
                    measured: Some(0.945),
                    predicted: Some(0.941),
                    ttls: vec![
                        forecast(voice, (64 << 20, "tiny_lfu", 900.0), 0.871, 0.012, -0.03),
                        forecast(voice, (64 << 20, "tiny_lfu", 14_400.0), 0.958, 0.01, 0.004),
                    ],
                    ..CacheForecast::default()
                }),
                recent: course("888888888888", 0.945),
                ..CacheRow::default()
            },
            CacheRow {
                namespace: voice.say("analytics"),
                entries: 1_000,
                capacity: 1_000,
                bytes: 1_204_224,
                ttl_seconds: Some(300.0),
                hits: 15_120,
                stale_hits: 210,
                negative_hits: 37,
                fail_safe: 4,
                misses: 21_758,
                loads: 21_517,
                refreshes: 207,
                load_errors: 4,
                joined: 448,
                shared_hits: 3_120,
                shared_misses: 18_190,
                evictions: 17_044,
                evicted: Evicted {
                    capacity: 17_044,
                    expired: 2_310,
                    invalidated: 980,
                    replaced: 183,
                },
                in_redis: true,
                asked_ttl_seconds: Some([Some(300.0), Some(300.0)]),
                invalidations: 1_204,
                hit_ratio: Some(0.41),
                lookups_per_second: 3.2,
                load_p95_seconds: Some(0.71),
                age_at_hit_p50_seconds: Some(88.0),
                saved_seconds_per_second: 1.06,
                saved_seconds_per_second_and_mib: Some(0.923),
                eviction: voice.say("default"),
                forecast: Some(analytics_forecast(voice)),
                recent: course("998765444", 0.41),
                undo: Some(LedgerId(2)),
                ..CacheRow::default()
            },
            CacheRow {
                namespace: voice.say("flags"),
                entries: 12,
                capacity: 100,
                asked_ttl_seconds: Some([Some(10.0), Some(300.0)]),
                eviction: voice.say("default"),
                forecast: Some(CacheForecast {
                    silence: Some(ForecastSilence::TooFewLookups),
                    lookups: 412,
                    ..CacheForecast::default()
                }),
                ..CacheRow::default()
            },
        ],
        shared: Some(SharedCaches {
            attached: true,
            staleness_bound_seconds: 1.25,
            received: 1_841,
            waited: 96,
            not_stored: 2,
            ..SharedCaches::default()
        }),
        bypassed_queries: vec![
            BypassedQueries {
                why: voice.say("executor"),
                queries: 1_204,
            },
            BypassedQueries {
                why: voice.say("volatile"),
                queries: 37,
            },
        ],
    }
}

/// Of a cache that would do with eight times its size.
pub(super) fn analytics_forecast(voice: &Voice) -> CacheForecast {
    let sizes = [
        (250, 0.19, -0.32),
        (500, 0.29, -0.17),
        (1_000, 0.41, 0.0),
        (2_000, 0.56, 0.22),
        (4_000, 0.71, 0.45),
        (8_000, 0.78, 0.55),
    ];
    let size = |(capacity, hits, saved)| {
        let policy = (capacity, "default", 300.0);
        forecast(voice, policy, hits, 0.012, saved)
    };
    CacheForecast {
        silence: None,
        lookups: 36_878,
        measured: Some(0.412),
        predicted: Some(0.408),
        capacities: sizes.map(size).to_vec(),
        evictions: vec![
            forecast(voice, (1_000, "lru", 300.0), 0.38, 0.009, -0.04),
            forecast(voice, (1_000, "tiny_lfu", 300.0), 0.46, 0.02, 0.07),
        ],
        ttls: vec![
            forecast(voice, (1_000, "default", 75.0), 0.33, 0.011, -0.11),
            forecast(voice, (1_000, "default", 1_200.0), 0.44, 0.012, 0.04),
        ],
    }
}

fn forecast(
    voice: &Voice,
    (capacity, eviction, ttl): (u64, &str, f64),
    hit_ratio: f64,
    error: f64,
    saved: f64,
) -> Forecast {
    Forecast {
        capacity,
        eviction: voice.say(eviction),
        ttl_seconds: Some(ttl),
        hit_ratio,
        error,
        saved_seconds_per_second: saved,
    }
}

pub(super) fn host(voice: &Voice) -> Host {
    Host {
        pools: vec![PoolRow {
            name: voice.say("primary"),
            database: "postgresql".to_owned(),
            open: 20,
            in_use: 18,
            max: 20,
            acquires: 7_594_579,
            timeouts: 0,
            wait_p95_seconds: Some(0.041),
        }],
        metrics: metrics(voice),
        more_metrics: 0,
        redis: redis(&voice.aside()),
        more_redis: 0,
    }
}

fn redis(voice: &Voice) -> Vec<RedisRow> {
    let row = |connection: &str, command: &str, rate: f64, p50: f64, errors: u64| RedisRow {
        connection: voice.say(connection),
        command: voice.say(command),
        calls: (rate * 11_520.0) as u64,
        errors,
        calls_per_second: rate,
        error_ratio: errors as f64 / (rate * 11_520.0),
        p50_seconds: Some(p50),
        p95_seconds: Some(p50 * 3.1),
        wait_seconds_per_second: rate * p50 * 1.3,
        ..RedisRow::default()
    };
    vec![
        row("sessions", "GET", 148.2, 0.000_41, 0),
        RedisRow {
            round_trip: true,
            ..row("sessions", "<pipeline>", 22.1, 0.001_2, 0)
        },
        RedisRow {
            timeouts: 31,
            given_up: 4,
            ..row("queue", "XREADGROUP", 1.9, 0.009_4, 122)
        },
        row("sessions", "SETEX", 8.4, 0.000_44, 0),
        RedisRow {
            pipelined: 509_184,
            p50_seconds: None,
            p95_seconds: None,
            wait_seconds_per_second: 0.0,
            ..row("sessions", "HGETALL", 44.2, 0.0, 0)
        },
    ]
}

fn metrics(voice: &Voice) -> Vec<MetricRow> {
    let row = |name: &str, kind: &str, value, unit: Option<&str>, digits: &str, last| MetricRow {
        name: voice.say(name),
        kind: kind.to_owned(),
        value,
        unit: unit.map(|unit| voice.say(unit)),
        recent: course(digits, last),
        ..MetricRow::default()
    };
    let histogram = |name, unit, rate, p50: f64, digits| MetricRow {
        per_second: Some(rate),
        count: Some((rate * 11_520.0) as u64),
        p50: Some(p50),
        p95: Some(p50 * 4.2),
        max: Some(p50 * 17.0),
        ..row(name, "histogram", p50 * 1.4, unit, digits, p50 * 4.2)
    };
    vec![
        MetricRow {
            description: Some(voice.say("size of a message's text, as it came")),
            ..histogram(
                "chat.message.bytes",
                Some("bytes"),
                35.6,
                412.0,
                "333443536343",
            )
        },
        MetricRow {
            per_second: Some(35.6),
            ..row(
                "chat.messages",
                "counter",
                410_877.0,
                None,
                "333343334333",
                35.6,
            )
        },
        row(
            "clients.connected",
            "gauge",
            31.0,
            None,
            "233344445566",
            31.0,
        ),
        MetricRow {
            per_second: Some(2.4),
            ..row(
                "jobs{queue=\"mail\",state=\"done\"}",
                "counter",
                27_611.0,
                None,
                "404040404044",
                2.4,
            )
        },
        MetricRow {
            description: Some(voice.say("from a job's start to its end")),
            ..histogram(
                "jobs.duration{queue=\"mail\"}",
                Some("seconds"),
                2.4,
                0.118,
                "223322992233",
            )
        },
        MetricRow {
            count: Some(0),
            per_second: Some(0.0),
            recent: Vec::new(),
            ..row("report.rows", "histogram", 0.0, None, "1", 0.0)
        },
        row("sessions.waiting", "gauge", 4.0, None, "112233445544", 4.0),
    ]
}
