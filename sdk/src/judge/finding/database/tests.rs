use perfdeck_bridge::protocol::{
    BlockedRow, DatabaseHealth, Evidence, Finding, IndexRow, SequenceRow, SessionRow, Severity,
    TableRow, Timestamp,
};

use super::look;
use crate::judge::facts::Facts;

fn found(health: DatabaseHealth) -> Vec<Finding> {
    let facts = Facts {
        databases: vec![DatabaseHealth {
            pools: vec!["primary".into()],
            engine: "postgresql".into(),
            ..health
        }],
        ..Facts::default()
    };
    look(&facts).collect()
}

/// Expects one finding of a kind, or none.
fn check(health: &DatabaseHealth, kind: Option<&str>) -> Option<Finding> {
    let found = found(health.clone());
    let kinds: Vec<_> = found.iter().map(|finding| finding.kind.as_str()).collect();
    assert_eq!(kinds, kind.into_iter().collect::<Vec<_>>(), "{health:?}");
    found.into_iter().next()
}

fn bloated() -> TableRow {
    TableRow {
        name: "other.message".into(),
        heap_bytes: Some(100 << 20),
        live_rows: 70_000,
        dead_rows: 30_000,
        vacuum_due_rows: Some(14_050.0),
        vacuum_overdue_seconds: Some(180.0),
        modified_rows: 10,
        analyze_due_rows: Some(7_050.0),
        autovacuum: Some(true),
        ..TableRow::default()
    }
}

fn of_table(table: TableRow) -> DatabaseHealth {
    DatabaseHealth {
        tables: vec![table],
        ..DatabaseHealth::default()
    }
}

#[test]
fn many_dead_rows_that_nobody_cleans_up_are_bloat() {
    let told = check(&of_table(bloated()), Some("database_bloat")).unwrap();
    let title = "other.message is bloated: 30 % of its rows are dead, about 30 MiB of 100 MiB";
    assert_eq!(told.title, title);
    let Evidence::Database(evidence) = told.evidence else {
        panic!("{told:?}")
    };
    assert_eq!(evidence.remedy, "VACUUM (ANALYZE) \"other\".\"message\"");
    assert!(evidence.bound.contains("14 050 dead rows"), "{evidence:?}");
    for other in [
        TableRow {
            vacuum_overdue_seconds: Some(179.0),
            ..bloated()
        },
        TableRow {
            vacuum_overdue_seconds: None,
            ..bloated()
        },
        TableRow {
            heap_bytes: Some(9 << 20),
            ..bloated()
        },
        TableRow {
            heap_bytes: None,
            ..bloated()
        },
        TableRow {
            dead_rows: 17_000,
            ..bloated()
        },
    ] {
        check(&of_table(other), None);
    }
    let replica = DatabaseHealth {
        replica: true,
        ..of_table(bloated())
    };
    check(&replica, None);
    let off = TableRow {
        autovacuum: Some(false),
        ..bloated()
    };
    let told = check(&of_table(off), Some("database_bloat")).unwrap();
    assert!(format!("{told:?}").contains("RESET (autovacuum_enabled)"));
}

#[test]
fn statistics_of_rows_that_are_no_more_are_stale() {
    let stale = || TableRow {
        name: "message".into(),
        live_rows: 100_000,
        modified_rows: 20_101,
        analyze_due_rows: Some(10_050.0),
        analyze_overdue_seconds: Some(200.0),
        analyzed_at: Some(Timestamp::from_micros(1)),
        autovacuum: Some(true),
        ..TableRow::default()
    };
    let kind = Some("database_stale_statistics");
    let told = check(&of_table(stale()), kind).unwrap();
    let title = "the statistics of message are stale: 20 101 rows were written since";
    assert_eq!(told.title, title);
    let never = TableRow {
        analyzed_at: None,
        ..stale()
    };
    let told = check(&of_table(never), kind).unwrap();
    assert_eq!(told.title, "message has no statistics, and 100 000 rows");
    for other in [
        TableRow {
            modified_rows: 20_100,
            ..stale()
        },
        TableRow {
            analyze_overdue_seconds: Some(60.0),
            ..stale()
        },
        TableRow {
            analyze_overdue_seconds: None,
            ..stale()
        },
        // A small table is read whole, whatever is known of it.
        TableRow {
            live_rows: 900,
            modified_rows: 50_000,
            analyze_due_rows: Some(140.0),
            ..stale()
        },
    ] {
        check(&of_table(other), None);
    }
}

fn idle(seconds: f64) -> SessionRow {
    SessionRow {
        pid: 7,
        application: "shop".into(),
        state: "idle in transaction".into(),
        state_seconds: seconds,
        transaction_seconds: seconds + 1.0,
        route: Some("POST /pay".into()),
        ..SessionRow::default()
    }
}

#[test]
fn a_transaction_that_was_left_open_is_told_and_one_that_works_is_not() {
    let of = |session| DatabaseHealth {
        sessions: vec![session],
        ..DatabaseHealth::default()
    };
    let kind = Some("database_idle_in_transaction");
    let told = check(&of(idle(31.0)), kind).unwrap();
    assert_eq!(told.severity, Severity::Warning);
    assert!(
        told.title
            .starts_with("pid 7 (shop) left a transaction open")
    );
    assert!(format!("{told:?}").contains("which POST /pay runs most"));
    let aborted = SessionRow {
        state: "idle in transaction (aborted)".into(),
        ..idle(400.0)
    };
    let told = check(&of(aborted), kind).unwrap();
    assert_eq!(told.severity, Severity::Critical);
    check(&of(idle(29.0)), None);
    let working = SessionRow {
        state: "active".into(),
        ..idle(900.0)
    };
    check(&of(working), None);
}

#[test]
fn an_index_that_failed_is_told_and_one_that_is_built_is_not() {
    let index = |valid, building| DatabaseHealth {
        indexes: vec![IndexRow {
            name: "a\"b".into(),
            table: "t".into(),
            valid,
            building,
            ..IndexRow::default()
        }],
        ..DatabaseHealth::default()
    };
    let told = check(&index(false, false), Some("database_invalid_index")).unwrap();
    assert!(format!("{:?}", told.evidence).contains(r#"DROP INDEX CONCURRENTLY \"a\"\"b\""#));
    check(&index(false, true), None);
    check(&index(true, false), None);
}

#[test]
fn a_sequence_near_its_end_is_told() {
    let sequence = |used_ratio, column: Option<&str>| DatabaseHealth {
        sequences: vec![SequenceRow {
            name: "t_id_seq".into(),
            column: column.map(str::to_owned),
            last_value: 9,
            limit: 10,
            used_ratio,
        }],
        ..DatabaseHealth::default()
    };
    let kind = Some("database_sequence_end");
    let told = check(&sequence(0.86, Some("t.id")), kind).unwrap();
    assert_eq!(told.severity, Severity::Warning);
    assert_eq!(
        told.title,
        "sequence t_id_seq has given 86 % of the numbers that t.id can hold"
    );
    let told = check(&sequence(0.96, None), kind).unwrap();
    assert_eq!(told.severity, Severity::Critical);
    check(&sequence(0.84, Some("t.id")), None);
}

#[test]
fn who_holds_others_up_is_told_once_and_not_those_that_wait_for_it() {
    let session = |pid| SessionRow {
        pid,
        ..SessionRow::default()
    };
    let row = |waiting, blocker, wait_seconds| BlockedRow {
        waiting: session(waiting),
        blocker: session(blocker),
        wait_seconds,
        lock: "tuple".into(),
        relation: Some("t".into()),
    };
    let of = |blocked| DatabaseHealth {
        blocked,
        ..DatabaseHealth::default()
    };
    let kind = Some("database_blocked");
    let chain = vec![row(2, 1, 8.0), row(3, 2, 6.0), row(4, 1, 7.0)];
    let told = check(&of(chain), kind).unwrap();
    assert_eq!(told.severity, Severity::Warning);
    assert_eq!(
        told.title,
        "pid 1 holds a lock that 3 sessions wait for, for 8.0 s"
    );
    // The server names those that stand before in the queue, too.
    let queue = vec![row(2, 1, 8.0), row(3, 1, 7.0), row(3, 2, 7.0)];
    let told = check(&of(queue), kind).unwrap();
    assert!(told.title.contains("2 sessions wait"), "{}", told.title);
    let two = found(of(vec![row(2, 1, 8.0), row(4, 3, 7.0), row(5, 3, 7.0)]));
    let [one, other] = &two[..] else {
        panic!("{two:?}")
    };
    assert!(one.title.contains("a session waits"), "{}", one.title);
    assert!(other.title.contains("2 sessions wait"), "{}", other.title);
    let told = check(&of(vec![row(2, 0, 31.0)]), kind).unwrap();
    assert_eq!(told.severity, Severity::Critical);
    assert!(told.title.starts_with("a prepared transaction holds"));
    check(&of(vec![row(2, 1, 4.9)]), None);
}

#[test]
fn what_can_t_be_asked_is_not_judged() {
    let unasked = DatabaseHealth {
        failure: Some("the database can't be reached".into()),
        ..of_table(bloated())
    };
    check(&unasked, None);
    // Who waits was asked before.
    let blocked = BlockedRow {
        waiting: SessionRow {
            pid: 2,
            ..SessionRow::default()
        },
        wait_seconds: 9.0,
        ..BlockedRow::default()
    };
    let asked = DatabaseHealth {
        blocked: vec![blocked],
        ..unasked
    };
    check(&asked, Some("database_blocked"));
}
