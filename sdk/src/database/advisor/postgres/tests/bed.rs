//! Databases whose best indexes are known, with what tempts an advisor to useless ones: advised on, really changed, and asked
//! again.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use sqlx::postgres::{PgArguments, PgConnection};
use sqlx::{Arguments as _, AssertSqlSafe, Connection as _, Executor as _, Row as _};

use crate::database::advisor::{Advice, Subject, Usage, advise};
use crate::database::argument::Arguments;
use crate::database::testing::Postgres;

/// A statement of a workload.
pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) sql: &'static str,
    pub(super) per_second: f64,
    /// What calls have as arguments.
    pub(super) calls: Vec<Vec<Given>>,
    pub(super) expect: Expect,
}

/// An argument.
#[derive(Clone, Copy)]
pub(super) enum Given {
    Int(i64),
    Text(&'static str),
    Float(f64),
}

/// What is to come of a statement.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Expect {
    /// It gets so many times cheaper at least, through an index that is advised.
    Cheaper(f64),
    /// Nothing is to be done for it: it stays as it is.
    Same,
    /// No matter.
    Either,
}

/// A database with its workload and its traps.
pub(super) struct Bed {
    pub(super) script: &'static str,
    pub(super) cases: Vec<Case>,
    /// Parts of definitions of which each must be among those that are advised.
    pub(super) needed: &'static [&'static str],
    /// Parts of which none may.
    pub(super) harmful: &'static [&'static str],
    pub(super) unused: &'static [&'static str],
    pub(super) drops: &'static [&'static str],
}

pub(super) fn case(
    name: &'static str,
    per_second: f64,
    sql: &'static str,
    calls: &[&[Given]],
    expect: Expect,
) -> Case {
    Case {
        name,
        sql,
        per_second,
        calls: calls.iter().map(|call| call.to_vec()).collect(),
        expect,
    }
}

fn arguments(call: &[Given]) -> PgArguments {
    let mut arguments = PgArguments::default();
    for given in call {
        match given {
            Given::Int(value) => arguments.add(*value),
            Given::Text(value) => arguments.add(*value),
            Given::Float(value) => arguments.add(*value),
        }
        .unwrap();
    }
    arguments
}

/// Costs of each case's calls, and the indexes of their plans.
type Costs = BTreeMap<&'static str, (f64, BTreeSet<String>)>;

async fn costs(connection: &mut PgConnection, cases: &[Case]) -> Costs {
    let mut costs = Costs::new();
    for case in cases {
        let none = vec![Vec::new()];
        let calls = if case.calls.is_empty() {
            &none
        } else {
            &case.calls
        };
        let (mut sum, mut indexes) = (0.0, BTreeSet::new());
        for call in calls {
            let sql = AssertSqlSafe(format!("EXPLAIN (FORMAT JSON) {}", case.sql));
            let row = sqlx::query_with(sql, arguments(call))
                .persistent(false)
                .fetch_one(&mut *connection)
                .await
                .unwrap_or_else(|error| panic!("{}: {error}", case.name));
            let plan: Value =
                serde_json::from_str(row.try_get_raw(0).unwrap().as_str().unwrap()).unwrap();
            sum += plan[0]["Plan"]["Total Cost"].as_f64().unwrap();
            let mut open = vec![&plan[0]["Plan"]];
            while let Some(node) = open.pop() {
                indexes.extend(node["Index Name"].as_str().map(str::to_owned));
                open.extend(node["Plans"].as_array().into_iter().flatten());
            }
        }
        costs.insert(case.name, (sum / calls.len() as f64, indexes));
    }
    costs
}

fn subjects(cases: &[Case], before: &Costs) -> Vec<Subject> {
    let subject = |(place, case): (usize, &Case)| Subject {
        query: place as u64,
        text: case.sql.into(),
        calls: (case.per_second * 60.0).max(1.0) as u64,
        calls_per_second: case.per_second,
        // A unit of the planner's cost is about a hundredth of a millisecond, and a call is some way to the server.
        mean_seconds: 0.00015 + before[case.name].0 * 10e-6,
        rows_per_call: 10.0,
        arguments: case
            .calls
            .iter()
            .map(|call| Arguments::Postgres(arguments(call)))
            .collect(),
        ..Subject::default()
    };
    cases.iter().enumerate().map(subject).collect()
}

/// Asks for advice, follows it, and checks what it brought.
pub(super) async fn check(bed: &Bed) {
    let database = Postgres::with(bed.script).await;
    let mut connection = PgConnection::connect_with(&database.pool.connect_options())
        .await
        .unwrap();
    connection
        .execute(
            "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET random_page_cost = 1.1', current_database()); END $$; \
             SET random_page_cost = 1.1",
        )
        .await
        .unwrap();
    let before = costs(&mut connection, &bed.cases).await;
    let unchanged = bed.unused.iter().map(|name| (format!("public.{name}"), 0));
    let usage = Usage {
        unchanged: unchanged.collect(),
    };
    let started = std::time::Instant::now();
    let subjects = subjects(&bed.cases, &before);
    let advice = advise(&database.handle(), &subjects, &usage).await.unwrap();
    let took = started.elapsed();
    assert!(took.as_secs() < 10, "it took {took:?}");
    for proposal in &advice.proposals {
        let sql = proposal.index.create.replacen(" CONCURRENTLY", "", 1);
        connection
            .execute(sqlx::raw_sql(AssertSqlSafe(sql)))
            .await
            .unwrap();
    }
    connection.execute("ANALYZE").await.unwrap();
    let after = costs(&mut connection, &bed.cases).await;
    let useful = useful(&mut connection, bed, &advice, &after).await;
    let told = tell(bed, &advice, &before, &after, &useful);
    println!("{told}after {:.1} s", took.as_secs_f64());
    let made: Vec<&str> = advice
        .proposals
        .iter()
        .map(|proposal| proposal.index.create.as_str())
        .collect();
    for case in &bed.cases {
        let gain = before[case.name].0 / after[case.name].0;
        match case.expect {
            Expect::Cheaper(times) => {
                assert!(gain >= times, "{} gains {gain:.1}: {told}", case.name);
            }
            Expect::Same => assert!(gain < 1.1, "{} gains {gain:.1}: {told}", case.name),
            Expect::Either => {}
        }
    }
    for part in bed.needed {
        assert!(
            made.iter().any(|sql| sql.contains(part)),
            "no {part}: {told}"
        );
    }
    for part in bed.harmful {
        assert!(!made.iter().any(|sql| sql.contains(part)), "{part}: {told}");
    }
    let useless: Vec<&String> = useful
        .iter()
        .filter(|(_, used)| !**used)
        .map(|(name, _)| name)
        .collect();
    assert!(useless.is_empty(), "nobody misses {useless:?}: {told}");
    let drops: Vec<&str> = advice.drops.iter().map(|drop| drop.name.as_str()).collect();
    assert_eq!(drops, bed.drops, "{told}");
}

/// Whether somebody's cost rises by 2 % without each; what plans don't show is useful for what it is.
async fn useful(
    connection: &mut PgConnection,
    bed: &Bed,
    advice: &Advice,
    after: &Costs,
) -> BTreeMap<String, bool> {
    let mut useful = BTreeMap::new();
    for proposal in &advice.proposals {
        let name = &proposal.index.name;
        let sql = format!("BEGIN; DROP INDEX \"{name}\"");
        connection
            .execute(sqlx::raw_sql(AssertSqlSafe(sql)))
            .await
            .unwrap();
        let without = costs(connection, &bed.cases).await;
        connection.execute("ROLLBACK").await.unwrap();
        let missed = bed
            .cases
            .iter()
            .any(|case| without[case.name].0 >= after[case.name].0 * 1.02);
        useful.insert(
            name.clone(),
            missed || proposal.reason.contains("plans don't show"),
        );
    }
    useful
}

fn tell(
    bed: &Bed,
    advice: &Advice,
    before: &Costs,
    after: &Costs,
    useful: &BTreeMap<String, bool>,
) -> String {
    let mut told = String::from("\n");
    let mut logs = 0.0;
    let (mut met, mut wanted) = (0, 0);
    for case in &bed.cases {
        let (was, is) = (before[case.name].0, after[case.name].0);
        logs += (was / is).ln();
        if let Expect::Cheaper(times) = case.expect {
            wanted += 1;
            met += usize::from(was / is >= times);
        }
        told.push_str(&format!(
            "{:<18} {was:>9.1} -> {is:>8.1} {:?}\n",
            case.name, after[case.name].1
        ));
    }
    for proposal in &advice.proposals {
        told.push_str(&format!(
            "{} -- {} kB\n",
            proposal.index.create,
            (proposal.size_bytes / 1024.0) as u64
        ));
    }
    for drop in &advice.drops {
        told.push_str(&format!("{} -- {}\n", drop.sql, drop.reason));
    }
    let right = useful.values().filter(|used| **used).count();
    told.push_str(&format!(
        "recall {met}/{wanted}, precision {right}/{}, geometric mean of the gains {:.1}\n",
        useful.len(),
        (logs / bed.cases.len() as f64).exp()
    ));
    told
}
