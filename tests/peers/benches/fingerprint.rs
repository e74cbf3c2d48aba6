//! How fast statements are told apart and their literals taken out, beside what else reads SQL: `cargo bench -p
//! perfdeck-peers --bench fingerprint --features pg_query`.
//!
//! perfdeck gives a statement's id and its text without literals, `pg_query` either of them, and `sqlparser` neither: it
//! parses, alone. The statements are what services send, from a look-up by key to a report, with long lists of values in
//! two of them; throughput is bytes of their texts a second on one core.

use std::fmt::Write as _;
use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput};
use perfdeck::__private::statement;
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;

const STATEMENTS: [&str; 10] = [
    "SELECT id, email, name, created_at FROM users WHERE id = $1",
    "SELECT \"documents\".\"id\", \"documents\".\"title\", \"documents\".\"body\", \"documents\".\"workspace_id\", \
     \"documents\".\"author_id\", \"documents\".\"created_at\", \"documents\".\"updated_at\" FROM \"documents\" \
     WHERE \"documents\".\"workspace_id\" = 4711 AND \"documents\".\"archived\" = FALSE \
     ORDER BY \"documents\".\"updated_at\" DESC LIMIT 50",
    "INSERT INTO events (id, kind, payload, created_at) VALUES ($1, 'login', '{\"ip\": \"10.0.0.1\"}', now()) \
     ON CONFLICT (id) DO UPDATE SET payload = excluded.payload RETURNING id",
    "UPDATE sessions SET last_seen = now(), hits = hits + 1 WHERE token = '5f2d8a0c' AND expires_at > now()",
    "DELETE FROM carts WHERE updated_at < now() - INTERVAL '30 days' AND user_id IS NULL",
    "WITH recent AS (SELECT workspace_id, count(*) AS n FROM messages WHERE sent_at > '2026-01-01' GROUP BY workspace_id) \
     SELECT w.id, w.name, coalesce(r.n, 0) FROM workspaces w LEFT JOIN recent r ON r.workspace_id = w.id \
     WHERE w.plan IN ('team', 'enterprise') ORDER BY 3 DESC, w.name LIMIT 20",
    "/* controller='reports', action='monthly' */ SELECT date_trunc('month', o.created_at) AS month, \
     sum(i.price * i.quantity)::numeric(12, 2) AS revenue, count(DISTINCT o.customer_id) FILTER (WHERE o.paid) AS customers \
     FROM orders o JOIN order_items i ON i.order_id = o.id WHERE o.created_at BETWEEN '2025-01-01' AND '2025-12-31' \
     GROUP BY 1 HAVING sum(i.price * i.quantity) > 1000 ORDER BY 1",
    "SELECT p.id, p.name, ts_rank(p.search, plainto_tsquery('english', 'lamp')) AS rank FROM products p \
     WHERE p.search @@ plainto_tsquery('english', 'lamp') AND (p.attributes ->> 'colour') = 'red' ORDER BY rank DESC LIMIT 10",
    "SELECT * FROM jobs WHERE state = 'queued' AND run_at <= now() ORDER BY priority, run_at FOR UPDATE SKIP LOCKED LIMIT 1",
    "COMMIT",
];

/// The statements, and two with long lists.
fn statements() -> Vec<String> {
    let mut ids = String::from("SELECT id, name FROM tags WHERE id IN (1");
    let mut rows = String::from("INSERT INTO points (x, y, label) VALUES (0, 0.5, 'origin')");
    for number in 2..200 {
        let _ = write!(ids, ", {number}");
        let _ = write!(rows, ", ({number}, {number}.25, 'point {number}')");
    }
    ids.push(')');
    let mut all: Vec<_> = STATEMENTS.map(str::to_owned).into();
    all.extend([ids, rows]);
    all
}

fn main() {
    let all = statements();
    let (short, long) = all.split_at(STATEMENTS.len());
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(3))
        .without_plots()
        .configure_from_args();
    compare(&mut criterion, "statements", short);
    compare(&mut criterion, "long lists of values", long);
    criterion.final_summary();
}

/// Has each read all of the statements.
fn compare(criterion: &mut Criterion, name: &str, statements: &[String]) {
    let bytes = statements.iter().map(String::len).sum::<usize>();
    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::Bytes(bytes as u64));
    let mut row = |name: &str, mut read: Box<dyn FnMut(&str)>| {
        group.bench_function(name, |bencher| {
            bencher.iter(|| statements.iter().for_each(|text| read(text)));
        });
    };
    row(
        "perfdeck: id and text",
        Box::new(|text| drop(black_box(statement(text)))),
    );
    row(
        "sqlparser: parse alone",
        Box::new(|text| drop(black_box(Parser::parse_sql(&PostgreSqlDialect {}, text)))),
    );
    #[cfg(feature = "pg_query")]
    {
        row(
            "pg_query: fingerprint",
            Box::new(|text| drop(black_box(pg_query::fingerprint(text)))),
        );
        row(
            "pg_query: normalize",
            Box::new(|text| drop(black_box(pg_query::normalize(text)))),
        );
    }
    group.finish();
}
