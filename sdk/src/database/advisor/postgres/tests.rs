mod bed;
mod desk;
mod shop;

use crate::database::advisor::{Method, Subject, Usage, advise};
use crate::database::testing::Postgres;

const SCRIPT: &str = "
    CREATE TABLE parcels (id bigint PRIMARY KEY, depot int NOT NULL, state text NOT NULL,
        seen_at timestamptz NOT NULL, code text NOT NULL, flag boolean NOT NULL, note text);
    INSERT INTO parcels SELECT i, i * 7919 % 400, CASE i % 10 WHEN 0 THEN 'lost' ELSE 'sent' END,
        now() - i * interval '1 s', 'c' || i, i % 2 = 0, repeat('x', 80) FROM generate_series(1::bigint, 60000) i;
    CREATE TABLE depots (id int PRIMARY KEY, name text);
    INSERT INTO depots SELECT i, 'd' || i FROM generate_series(1, 400) i;
    ANALYZE;";

fn subject(text: &str) -> Subject {
    Subject {
        query: 7,
        text: text.into(),
        calls_per_second: 10.0,
        mean_seconds: 0.02,
        rows_per_call: 5.0,
        ..Subject::default()
    }
}

async fn check(database: &Postgres, method: Method) {
    for (text, expect) in [
        (
            "SELECT id FROM parcels WHERE depot = $1 AND state = $2 ORDER BY seen_at DESC LIMIT $3",
            Some("perfdeck_parcels_depot_state_seen_at"),
        ),
        (
            "SELECT * FROM public.parcels p WHERE p.code = $1",
            Some("perfdeck_parcels_code"),
        ),
        (
            "SELECT * FROM parcels WHERE code = ANY($1)",
            Some("perfdeck_parcels_code"),
        ),
        ("SELECT * FROM parcels WHERE flag = $1", None),
        ("SELECT * FROM parcels WHERE id = $1", None),
        (
            "SELECT * FROM parcels WHERE lower(code) = $1",
            Some("perfdeck_parcels_lower_code_"),
        ),
        ("SELECT * FROM depots WHERE name = $1", None),
        (
            "SELECT * FROM nowhere WHERE a = $1; DROP TABLE parcels",
            None,
        ),
        ("SELECT count(*) FROM parcels", None),
    ] {
        let advice = advise(&database.handle(), &[subject(text)], &Usage::default())
            .await
            .unwrap();
        let names: Vec<&str> = advice
            .proposals
            .iter()
            .map(|proposal| proposal.index.name.as_str())
            .collect();
        // Which equality column leads makes no difference to one statement alone.
        let names: Vec<String> = names
            .iter()
            .map(|name| name.replace("state_depot", "depot_state"))
            // An expression's name ends with a hash.
            .map(|name| match name.split_once("lower_code_") {
                Some((start, _)) => format!("{start}lower_code_"),
                None => name,
            })
            .collect();
        assert_eq!(
            names,
            expect.into_iter().collect::<Vec<_>>(),
            "of {text:?}: {advice:#?}"
        );
        for proposal in advice.proposals {
            assert_eq!(proposal.method, method, "of {text:?}");
            assert!(
                proposal
                    .serves
                    .iter()
                    .flat_map(|served| &served.plan_after)
                    .any(|line| line.as_str().contains(&proposal.index.name)),
                "{proposal:#?}"
            );
        }
    }
    let kept: i64 =
        sqlx::query_scalar("SELECT count(*) FROM pg_class WHERE relname LIKE 'perfdeck%'")
            .fetch_one(&database.pool)
            .await
            .unwrap();
    assert_eq!(kept, 0);
}

#[tokio::test]
async fn with_hypopg_the_planner_confirms_what_is_advised() {
    let database = Postgres::with(SCRIPT).await;
    database.server.require("hypopg").unwrap();
    sqlx::query("CREATE EXTENSION hypopg")
        .execute(&database.pool)
        .await
        .unwrap();
    check(&database, Method::Planned).await;
}

#[tokio::test]
async fn without_hypopg_the_statistics_do() {
    let database = Postgres::with(SCRIPT).await;
    check(&database, Method::Modelled).await;
    let extensions = "SELECT count(*) FROM pg_extension WHERE extname = 'hypopg'";
    let extensions: i64 = sqlx::query_scalar(extensions)
        .fetch_one(&database.pool)
        .await
        .unwrap();
    assert_eq!(extensions, 0);
}
