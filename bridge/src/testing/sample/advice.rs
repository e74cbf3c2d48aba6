//! The findings.

use super::table::{DOCUMENTS, MESSAGES, analytics_forecast};
use crate::protocol::{
    Advice, CacheAdvice, Confidence, Evidence, Finding, FindingId, FindingStatus, Forecast, Impact,
    MissingCache, MissingIndex, NPlusOne, ProposedAction, Quantities, Risk, Severity,
};
use crate::testing::voice::Voice;

pub(super) fn advice(voice: &Voice) -> Advice {
    Advice {
        findings: vec![
            documents(voice),
            sessions(voice),
            embed_codes(voice),
            analytics(voice),
            tags(voice),
            drop(voice),
        ],
        wait_share: 0.52,
    }
}

fn documents(voice: &Voice) -> Finding {
    Finding {
        id: FindingId(voice.say("missing_index-documents-1f3a")),
        kind: "missing_index".to_owned(),
        severity: Severity::Critical,
        title: voice.say("index documents (workspace_id, status, uploaded_at DESC)"),
        evidence: Evidence::MissingIndex(MissingIndex {
            table: voice.say("documents"),
            columns: voice.all(&["workspace_id", "status", "uploaded_at DESC"]),
            query: voice.redacted(DOCUMENTS),
            calls_per_second: 61.0,
            query_p95_seconds: 0.391,
            query_p95_seconds_after: 0.004,
            table_rows: 205_113,
            plan_before: voice.plan(&[
                "Limit  (cost=8232.08..8232.13 rows=20)",
                "  ->  Sort  (cost=8232.08..8240.51 rows=3372)",
                "        ->  Seq Scan on documents  (cost=0.00..8142.40 rows=3372)",
            ]),
            plan_after: voice.plan(&[
                "Limit  (cost=0.42..19.90 rows=20)",
                "  ->  Index Scan using <hypothetical> on documents  (cost=0.42..3284.71 rows=3372)",
            ]),
        }),
        impact: Impact {
            route: Some(voice.say("GET /documents")),
            p95_seconds_now: Some(0.412),
            p95_seconds_after: Some(0.096),
            wait_share: 0.38,
        },
        confidence: Confidence::Verified,
        action: Some(create(
            voice,
            "CREATE INDEX CONCURRENTLY perfdeck_documents_workspace_id_status_uploaded_at ON \
             documents (workspace_id, status, uploaded_at DESC)",
            "DROP INDEX CONCURRENTLY perfdeck_documents_workspace_id_status_uploaded_at",
        )),
        status: FindingStatus::Ready,
        score_points: 21.0,
    }
}

fn sessions(voice: &Voice) -> Finding {
    Finding {
        id: FindingId(voice.say("n_plus_one-sessions-77b0")),
        kind: "n_plus_one".to_owned(),
        severity: Severity::Warning,
        title: voice.say("N+1: GET /sessions/{id} runs 1 query a message, 24 a request"),
        evidence: Evidence::NPlusOne(NPlusOne {
            route: voice.say("GET /sessions/{id}"),
            query: voice.redacted(MESSAGES),
            queries_per_request: Quantities { p50: 24.0, p95: 36.0, max: 96.0 },
            time_share: 0.71,
            rewrite: Some(voice.redacted(
                "SELECT session_id, id, author, body, sent_at FROM chat_messages WHERE session_id = \
                 ANY($1) ORDER BY session_id, sent_at",
            )),
        }),
        impact: Impact {
            route: Some(voice.say("GET /sessions/{id}")),
            p95_seconds_now: Some(0.188),
            p95_seconds_after: Some(0.061),
            wait_share: 0.09,
        },
        confidence: Confidence::Verified,
        action: None,
        status: FindingStatus::Code,
        score_points: 9.0,
    }
}

fn embed_codes(voice: &Voice) -> Finding {
    Finding {
        id: FindingId(voice.say("missing_index-embed_codes-5d77")),
        kind: "missing_index".to_owned(),
        severity: Severity::Warning,
        title: voice.say("index embed_codes (client_key)"),
        evidence: Evidence::MissingIndex(MissingIndex {
            table: voice.say("embed_codes"),
            columns: voice.all(&["client_key"]),
            query: voice.redacted("SELECT * FROM embed_codes WHERE client_key = $1"),
            calls_per_second: 25.9,
            query_p95_seconds: 0.0166,
            query_p95_seconds_after: 0.0002,
            table_rows: 12_040,
            plan_before: voice.plan(&["Seq Scan on embed_codes  (cost=0.00..268.50 rows=1)"]),
            plan_after: voice.plan(&[
                "Index Scan using <hypothetical> on embed_codes  (cost=0.29..8.30 rows=1)",
            ]),
        }),
        impact: Impact {
            route: Some(voice.say("GET /embed/{key}")),
            p95_seconds_now: Some(0.0187),
            p95_seconds_after: Some(0.0023),
            wait_share: 0.034,
        },
        confidence: Confidence::Estimated,
        action: Some(create(
            voice,
            "CREATE INDEX CONCURRENTLY perfdeck_embed_codes_client_key ON embed_codes (client_key)",
            "DROP INDEX CONCURRENTLY perfdeck_embed_codes_client_key",
        )),
        status: FindingStatus::Ready,
        score_points: 3.0,
    }
}

fn analytics(voice: &Voice) -> Finding {
    Finding {
        id: FindingId(voice.say("cache_too_small-5a1b22f0")),
        kind: "cache_too_small".to_owned(),
        severity: Severity::Info,
        title: voice.say(
            "cache analytics: capacity 1 000 -> 8 000, hits 41 % -> 78 % +- 1, saves 550 ms of loading a second",
        ),
        evidence: Evidence::Cache(CacheAdvice {
            cache: voice.say("analytics"),
            lookups_per_second: 3.2,
            hit_ratio: 0.412,
            hit_ratio_after: Some(0.78),
            error: Some(0.012),
            load_seconds: 0.46,
            saved_seconds_per_second: 0.55,
            memory_bytes: 8_429_568.0,
            why: voice.say("it is full and pushes out 1.5 entries a second that are asked for again"),
            policy: voice.say("Policy::new().ttl(Duration::from_secs(300)).capacity(8_000)"),
            curve: analytics_forecast(voice).capacities,
        }),
        impact: Impact {
            wait_share: 0.02,
            ..Impact::default()
        },
        confidence: Confidence::Estimated,
        action: None,
        status: FindingStatus::Code,
        score_points: 6.0,
    }
}

fn tags(voice: &Voice) -> Finding {
    let forecast = |ttl, hit_ratio, saved| Forecast {
        capacity: 10_000,
        eviction: "default".to_owned(),
        ttl_seconds: Some(ttl),
        hit_ratio,
        error: 0.02,
        saved_seconds_per_second: saved,
    };
    Finding {
        id: FindingId(voice.say("missing_cache-77c1be04")),
        kind: "missing_cache".to_owned(),
        severity: Severity::Warning,
        title: voice.say(
            "GET /tags has no cache: one of 60 s would answer 91 % of its calls, and save 140 ms a second",
        ),
        evidence: Evidence::MissingCache(MissingCache {
            uncached: "route".to_owned(),
            name: voice.say("GET /tags"),
            query: None,
            calls_per_second: 7.1,
            call_seconds: 0.022,
            ttl_seconds: 60.0,
            hit_ratio: 0.91,
            error: 0.02,
            saved_seconds_per_second: 0.14,
            why: voice.say(
                "of 2130 calls in 300 s 91 % (+- 2) came within 60 s after one with the same address, and each answer \
                 was the same; requests with credentials are not among them; a call takes 22 ms on average",
            ),
            code: voice.say(
                ".layer(deck.http_cache().route(\"/tags\", Duration::from_secs(60)).host(\"the service's name\"))",
            ),
            curve: vec![
                forecast(10.0, 0.62, 0.096),
                forecast(60.0, 0.91, 0.14),
                forecast(300.0, 0.98, 0.151),
            ],
        }),
        impact: Impact {
            route: Some(voice.say("GET /tags")),
            p95_seconds_now: Some(0.031),
            p95_seconds_after: Some(0.021),
            wait_share: 0.013,
        },
        confidence: Confidence::Estimated,
        action: None,
        status: FindingStatus::Code,
        score_points: 4.0,
    }
}

/// A rule that this version of the vocabulary has no evidence for.
fn drop(voice: &Voice) -> Finding {
    Finding {
        id: FindingId(voice.say("unused_index-users_email_idx")),
        kind: "unused_index".to_owned(),
        severity: Severity::Info,
        title: voice.say("drop index users_email_idx (unused 7 d, 48MiB)"),
        evidence: Evidence::Unknown {},
        impact: Impact::default(),
        confidence: Confidence::Verified,
        action: None,
        status: FindingStatus::Dismissed,
        score_points: 0.0,
    }
}

fn create(voice: &Voice, statement: &str, undo: &str) -> ProposedAction {
    ProposedAction {
        kind: "create_index".to_owned(),
        preview: voice.say(statement),
        risk: Risk::Schema,
        undo: voice.say(undo),
    }
}
