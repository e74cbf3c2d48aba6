//! The pools and the databases behind them.

use std::time::Duration;

use super::{before, table};
use crate::protocol::{
    BlockedRow, Connections, Database, DatabaseFile, DatabaseHealth, IndexRow, QueryId,
    SequenceRow, SessionRow, TableRow, Timestamp,
};
use crate::testing::voice::Voice;

pub(super) fn database(voice: &Voice, now: Timestamp) -> Database {
    Database {
        pools: table::host(&voice.aside()).pools,
        databases: vec![postgres(voice, now), sqlite(voice, now)],
        more_databases: 0,
        paused: None,
    }
}

/// The same with more tables and indexes than there is room for.
pub(super) fn crowded(voice: &Voice, now: Timestamp) -> Database {
    let mut crowded = database(voice, now);
    for health in &mut crowded.databases {
        for place in 0..40_u32 {
            let rows = u64::from(900_000 / (place + 1));
            health
                .tables
                .push(table_row(voice, &format!("event_{place}"), rows));
            let name = format!("event_{place}_pkey");
            let (table, bytes) = (format!("event_{place}"), rows * 40);
            health
                .indexes
                .push(index(voice, &name, &table, bytes, 11_204));
        }
        health.more_tables = 812;
        health.more_indexes = 1_904;
    }
    crowded
}

fn postgres(voice: &Voice, now: Timestamp) -> DatabaseHealth {
    let seconds = |seconds| Some(before(now, Duration::from_secs(seconds)));
    DatabaseHealth {
        pools: vec![voice.say("primary")],
        engine: "postgresql".to_owned(),
        version: voice.say("15.8"),
        sized_at: seconds(41),
        active_at: seconds(3),
        size_bytes: Some(2_114_000_000),
        tables: vec![
            TableRow {
                dead_rows: 611_204,
                vacuum_due_rows: Some(241_133.0),
                vacuum_overdue_seconds: Some(480.0),
                vacuumed_at: seconds(86_400 * 4),
                analyzed_at: seconds(3_600),
                seq_scans: Some(44_102),
                ..table_row(voice, "messages", 1_205_412)
            },
            TableRow {
                modified_rows: 190_000,
                analyze_due_rows: Some(20_560.0),
                analyze_overdue_seconds: Some(900.0),
                analyzed_at: seconds(86_400 * 2),
                seq_scans: Some(88_120),
                ..table_row(voice, "documents", 205_113)
            },
            table_row(voice, "users", 18_211),
        ],
        indexes: vec![
            index(voice, "messages_pkey", "messages", 48 << 20, 2_204_118),
            index(
                voice,
                "documents_pkey",
                "documents",
                9_100_000,
                44_118_200_118,
            ),
            IndexRow {
                scans: Some(0),
                unique: false,
                constraint: false,
                ..index(voice, "users_email_idx", "users", 41 << 20, 0)
            },
            IndexRow {
                valid: false,
                unique: false,
                constraint: false,
                ..index(voice, "documents_status_idx", "documents", 2_100_000, 0)
            },
        ],
        sequences: vec![SequenceRow {
            name: voice.say("messages_id_seq"),
            column: Some(voice.say("messages.id")),
            last_value: 1_932_735_283,
            limit: 2_147_483_647,
            used_ratio: 0.9,
        }],
        connections: Some(Connections {
            total: 31,
            active: 11,
            idle_in_transaction: 1,
            waiting: 1,
            max: 100,
        }),
        sessions: vec![idler(voice)],
        blocked: vec![BlockedRow {
            waiting: SessionRow {
                pid: 20_817,
                application: voice.say("support-desk"),
                state: "active".to_owned(),
                state_seconds: 12.4,
                transaction_seconds: 12.4,
                statement: Some(voice.redacted("UPDATE users SET seen_at = ? WHERE id = ?")),
                query: Some(QueryId("5b1c9d2e00aa3344".to_owned())),
                route: Some(voice.say("POST /messages")),
            },
            wait_seconds: 12.4,
            lock: "transactionid".to_owned(),
            relation: None,
            blocker: idler(voice),
        }],
        ..DatabaseHealth::default()
    }
}

fn idler(voice: &Voice) -> SessionRow {
    SessionRow {
        pid: 20_790,
        application: voice.say("support-desk"),
        state: "idle in transaction".to_owned(),
        state_seconds: 94.0,
        transaction_seconds: 96.1,
        statement: Some(voice.redacted("UPDATE users SET plan = ? WHERE id = ?")),
        query: Some(QueryId("77aa3c9d00112233".to_owned())),
        route: Some(voice.say("POST /users/{id}/plan")),
    }
}

fn sqlite(voice: &Voice, now: Timestamp) -> DatabaseHealth {
    DatabaseHealth {
        pools: vec![voice.say("settings")],
        engine: "sqlite".to_owned(),
        version: "3.50.4".to_owned(),
        sized_at: Some(before(now, Duration::from_secs(41))),
        size_bytes: Some(8_192_000),
        tables: vec![TableRow {
            name: voice.say("setting"),
            live_rows: 4_118,
            ..TableRow::default()
        }],
        file: Some(DatabaseFile {
            pages: 2_000,
            page_bytes: 4_096,
            free_pages: 120,
            journal_mode: "wal".to_owned(),
            wal_bytes: Some(411_200),
            analyzed: false,
        }),
        ..DatabaseHealth::default()
    }
}

fn table_row(voice: &Voice, name: &str, rows: u64) -> TableRow {
    TableRow {
        name: voice.say(name),
        heap_bytes: Some(rows * 320),
        index_bytes: Some(rows * 64),
        toast_bytes: Some(rows * 12),
        live_rows: rows,
        dead_rows: rows / 50,
        vacuum_due_rows: Some(50.0 + rows as f64 * 0.2),
        modified_rows: rows / 40,
        analyze_due_rows: Some(50.0 + rows as f64 * 0.1),
        autovacuum: Some(true),
        seq_scans: Some(12),
        index_scans: Some(rows * 9),
        ..TableRow::default()
    }
}

fn index(voice: &Voice, name: &str, table: &str, bytes: u64, scans: u64) -> IndexRow {
    IndexRow {
        name: voice.say(name),
        table: voice.say(table),
        size_bytes: Some(bytes),
        scans: Some(scans),
        valid: true,
        building: false,
        unique: true,
        constraint: true,
    }
}
