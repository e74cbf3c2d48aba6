//! The service as a whole: its status, overview and alerts.

use std::time::Duration;

use super::{before, course};
use crate::protocol::{
    Alert, AlertRule, AlertSide, AlertState, Alerts, BlindSpot, Blindness, BudgetLevel, Change,
    CurrentMetrics, DeckCost, Dropped, FindingId, Level, OptimizationSummary, Overview, Score,
    ScorePart, Seen, Severity, Status, Summary, TimeShare, Timestamp, Vital, Vitals,
};
use crate::testing::voice::Voice;

pub(super) fn status(voice: &Voice) -> Status {
    Status {
        current_metrics: CurrentMetrics {
            cpu_percent: Some(63.0),
            memory_percent: Some(40.2),
            response_time_p95: Some(0.412),
            error_rate: 0.008,
            requests_per_second: 148.0,
        },
        optimization_summary: OptimizationSummary {
            performance_score: 61.0,
            total_recommendations: 4,
            high_priority_issues: 1,
        },
        deck: DeckCost {
            cpu_percent: 0.4,
            memory_bytes: 11 << 20,
            dropped: Dropped::default(),
            viewers: 1,
            agent_deaths: 0,
            agent_panics: 0,
            level: BudgetLevel::Full,
            memory_limit_bytes: 32 << 20,
            cpu_limit_percent: 1.0,
        },
        blind_spots: blind_spots(voice),
        seen: seen(voice),
        alerts_firing: 2,
        recording: None,
    }
}

fn blind_spots(voice: &Voice) -> Vec<BlindSpot> {
    let aside = voice.aside();
    let spot = |voice: &Voice, kind: &str, blindness, what: &str, why: &str, fix: &str| BlindSpot {
        kind: kind.to_owned(),
        blindness,
        what: voice.say(what),
        why: voice.say(why),
        fix: voice.say(fix),
    };
    vec![
        spot(
            voice,
            "redis_not_wrapped",
            Blindness::Blind,
            "commands to Redis",
            "the process has 4 connections to port 6379, and the deck was given none",
            "wrap it: `deck.redis(\"cache\", connection)`, with the feature `redis`",
        ),
        spot(
            &aside,
            "hypopg_missing",
            Blindness::Partly,
            "proof of the advice on the indexes of `primary`",
            "it is estimated from statistics: the database has no extension `hypopg` to ask its planner with",
            "CREATE EXTENSION hypopg",
        ),
    ]
}

fn seen(voice: &Voice) -> Vec<Seen> {
    let voice = voice.aside();
    let seen = |what: &str, how: &str| Seen {
        what: voice.say(what),
        how: voice.say(how),
    };
    vec![
        seen("requests", "1 803 112 to 9 routes with a template"),
        seen(
            "statements",
            "23 240 144 through the deck's pools and the layer, 482 101 of them outside any request",
        ),
        seen("pools", "`primary` (postgresql)"),
        seen("functions", "6 under `#[perfdeck::monitor]`"),
        seen("caches", "3 namespaces"),
        seen("advice", "on the indexes of `primary`"),
    ]
}

pub(super) fn overview(voice: &Voice, now: Timestamp) -> Overview {
    let minutes = |minutes: u64| before(now, Duration::from_secs(minutes * 60));
    Overview {
        summary: Summary {
            level: Level::Over,
            text: voice.say(
                "Slow: GET /documents waits 412ms (p95, 3.1x its usual) because every call reads \
                 all of `documents`. An index would bring it to about 96ms.",
            ),
            since: Some(minutes(19)),
            finding: Some(FindingId(voice.say("missing_index-documents-1f3a"))),
        },
        score: Score {
            value: 61.0,
            parts: vec![
                part(voice, "missing indexes", 21.0),
                part(voice, "N+1 on /sessions", 9.0),
                part(voice, "cache `analytics` 41%", 6.0),
                part(voice, "pool waits", 3.0),
            ],
        },
        vitals: vitals(),
        time: vec![
            share(voice, "GET /documents", 0.61, Some(0.412), Level::Over),
            share(voice, "GET /sessions/{id}", 0.17, Some(0.188), Level::Good),
            share(voice, "GET /analytics", 0.09, Some(0.92), Level::Near),
            share(voice, "POST /messages", 0.06, Some(0.041), Level::Good),
            share(voice, "background", 0.04, None, Level::Good),
        ],
        changes: vec![
            change(
                voice,
                minutes(19),
                "p95 of GET /documents over its band",
                Level::Over,
            ),
            change(
                voice,
                minutes(19),
                "version 1.8.2 started (was 1.8.1)",
                Level::Good,
            ),
            change(
                voice,
                minutes(23),
                "cache `analytics` cleared by ops",
                Level::Near,
            ),
        ],
    }
}

fn part(voice: &Voice, label: &str, points: f64) -> ScorePart {
    ScorePart {
        label: voice.say(label),
        points,
        finding: None,
    }
}

fn share(voice: &Voice, route: &str, share: f64, p95: Option<f64>, level: Level) -> TimeShare {
    TimeShare {
        route: voice.say(route),
        share,
        p95_seconds: p95,
        level,
    }
}

fn change(voice: &Voice, at: Timestamp, text: &str, level: Level) -> Change {
    Change {
        at,
        text: voice.say(text),
        level,
    }
}

fn vitals() -> Vitals {
    use Level::{Good, Near, Over};
    Vitals {
        requests_per_second: vital(148.0, Good, "334445445665"),
        request_p95_seconds: vital(0.412, Over, "222237988888"),
        error_ratio: vital(0.008, Good, "11112122122"),
        in_flight: vital(31.0, Good, "22233334444"),
        queries_per_second: vital(1_910.0, Good, "344556667788"),
        query_p95_seconds: vital(0.038, Near, "22367788888"),
        queries_per_request: vital(12.9, Good, "44444444444"),
        slow_queries_per_minute: vital(214.0, Near, "11114677777"),
        pool_in_use: vital(18.0, Near, "556677888999"),
        pool_size: vital(20.0, Good, "777777777777"),
        pool_wait_p95_seconds: vital(0.041, Near, "11111236667"),
        cache_hit_ratio: vital(0.41, Over, "6654334"),
        saved_seconds_per_second: vital(3.1, Good, "455566"),
        cpu_ratio: vital(0.63, Good, "445566777777"),
        rss_bytes: vital((412_u64 << 20) as f64, Good, "444455556"),
    }
}

fn vital(now: f64, level: Level, digits: &str) -> Vital {
    Vital {
        now: Some(now),
        level,
        recent: course(digits, now),
    }
}

pub(super) fn alerts(voice: &Voice, now: Timestamp) -> Alerts {
    let minutes = |minutes: u64| before(now, Duration::from_secs(minutes * 60));
    let alert = |rule: &str, state, severity, message: &str, since| Alert {
        id: voice.say(rule),
        rule: voice.say(rule),
        subject: String::new(),
        severity,
        state,
        message: voice.say(message),
        value: 0.0,
        threshold: 0.0,
        unit: "percent".to_owned(),
        since,
        resolved_at: None,
        recent: course("3334456789", 1.0),
    };
    Alerts {
        alerts: vec![
            Alert {
                subject: voice.say("analytics"),
                value: 41.0,
                threshold: 70.0,
                recent: course("998765444", 41.0),
                ..alert(
                    "cache_hit_rate",
                    AlertState::Firing,
                    Severity::Warning,
                    "cache `analytics` answers 41% of its look-ups, under 70%",
                    minutes(23),
                )
            },
            Alert {
                subject: voice.say("primary"),
                value: 90.0,
                threshold: 80.0,
                recent: course("5566677889", 90.0),
                ..alert(
                    "pool_in_use",
                    AlertState::Firing,
                    Severity::Critical,
                    "pool `primary` has 18 of 20 connections in use, over 80%",
                    minutes(12),
                )
            },
            Alert {
                subject: voice.say("GET /analytics"),
                value: 2.13,
                threshold: 2.0,
                unit: "seconds".to_owned(),
                recent: course("2223346789", 2.13),
                ..alert(
                    "response_time_p95",
                    AlertState::Pending,
                    Severity::Warning,
                    "GET /analytics answers in 2.13s (p95), over 2s",
                    before(now, Duration::from_secs(14)),
                )
            },
            Alert {
                value: 61.0,
                threshold: 80.0,
                resolved_at: Some(minutes(48)),
                recent: course("4567998766", 61.0),
                ..alert(
                    "cpu",
                    AlertState::Resolved,
                    Severity::Warning,
                    "the service used 83% of its processors, over 80%",
                    minutes(55),
                )
            },
        ],
        rules: 8,
        limits: set_limits(&voice.aside()),
    }
}

/// The rules of a service that has set a limit, and another for one of its routes.
fn set_limits(voice: &Voice) -> Vec<AlertRule> {
    let set = |rule: AlertRule| {
        let route = (rule.rule == "response_time_p95").then(|| AlertRule {
            route: Some(voice.say("GET /export")),
            limit: 30.0,
            default_limit: 2.5,
            ..rule.clone()
        });
        let limit = route.as_ref().map_or(rule.limit, |_| 2.5);
        [Some(AlertRule { limit, ..rule }), route]
    };
    limits().into_iter().flat_map(set).flatten().collect()
}

/// The rules with the limits that perfdeck begins with.
pub(super) fn limits() -> Vec<AlertRule> {
    use AlertSide::{Over, Under};
    let rule = |rule: &str, side, limit, unit: &str, hold_seconds| AlertRule {
        rule: rule.to_owned(),
        route: None,
        side,
        limit,
        default_limit: limit,
        unit: unit.to_owned(),
        hold_seconds,
    };
    vec![
        rule("cpu_percent", Over, 80.0, "percent", 60.0),
        rule("memory_percent", Over, 85.0, "percent", 60.0),
        rule("response_time_p95", Over, 2.0, "seconds", 30.0),
        rule("error_rate", Over, 5.0, "percent", 30.0),
        rule("pool_in_use", Over, 80.0, "percent", 30.0),
        rule("cache_hit_rate", Under, 70.0, "percent", 60.0),
        rule("pool_timeouts", Over, 0.0, "count", 0.0),
    ]
}
