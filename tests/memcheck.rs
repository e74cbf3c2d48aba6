//! Under valgrind's memcheck: the SDK's one unsafe function, which finds the layer by its type as tracing's registry does;
//! and the clock of caches, for services that are run there.

use std::any::TypeId;
use std::time::Duration;

use anyhow::{Result, ensure};
use perfdeck::cache::{Namespace, Policy};
use perfdeck_tests::folder::Folder;
use perfdeck_tests::process::is_alone_under;
use tracing::Dispatch;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{Layer, Registry, fmt};

/// How memcheck is run: any read or write of what is not the program's makes it end with 99.
const MEMCHECK: [&str; 6] = [
    "valgrind",
    "--tool=memcheck",
    "--error-exitcode=99",
    "--leak-check=no",
    "--fair-sched=yes",
    "--quiet",
];
/// Code runs some fifty times as long there.
const LIMIT: Duration = Duration::from_secs(300);

/// A statement's event, as sqlx tells of it.
fn ran(rows: u64) {
    tracing::debug!(
        target: "sqlx::query",
        summary = "SELECT name FROM \u{2026}",
        db.statement = "\n\nSELECT name FROM users\n",
        rows_affected = 0_u64,
        rows_returned = rows,
        elapsed_secs = 0.001,
    );
}

#[test]
fn a_cache_tells_the_time_under_valgrind_too() -> Result<()> {
    const THIS: &str = "memcheck::a_cache_tells_the_time_under_valgrind_too";
    if !is_alone_under(&MEMCHECK, THIS, LIMIT)? {
        return Ok(());
    }
    let policy = Policy::new().ttl(Duration::from_secs(3_600));
    let users = Namespace::new("users", policy);
    users.insert(&7, "Ada");
    ensure!(users.get(&7) == Some("Ada"));
    Ok(())
}

#[test]
fn what_the_layer_tells_the_registry_is_of_the_type_it_asked_for() -> Result<()> {
    const THIS: &str = "memcheck::what_the_layer_tells_the_registry_is_of_the_type_it_asked_for";
    if !is_alone_under(&MEMCHECK, THIS, LIMIT)? {
        return Ok(());
    }
    let folder = Folder::new()?;
    let builder = |name: &str| {
        let socket = folder.path().join(format!("{name}.sock"));
        perfdeck::Builder::new(name).socket(socket).start()
    };
    let ((one, first), (two, second)) = (builder("first")?, builder("second")?);
    let below = Registry::default().with(first.layer());
    let above = below.with(second.layer()).with(first.layer());
    let prints = fmt::layer()
        .with_writer(std::io::sink)
        .with_filter(LevelFilter::INFO);
    let dispatch = Dispatch::new(above.with(prints));
    tracing::dispatcher::with_default(&dispatch, || {
        for number in 0..100 {
            let span = tracing::info_span!("request", number);
            let _entered = span.enter();
            ran(number);
            tracing::info!(number, "told");
            span.record("number", number + 1);
        }
    });
    // What was found is read, so that memcheck sees whether it is there.
    let layer = dispatch.downcast_ref::<perfdeck::DeckLayer<Registry>>();
    ensure!(layer.is_some_and(|layer| !format!("{layer:?}").is_empty()));
    ensure!(dispatch.downcast_ref::<Registry>().is_some());
    ensure!(
        dispatch.downcast_ref::<TypeId>().is_none(),
        "nobody has such a thing"
    );
    drop(dispatch);
    one.stop();
    two.stop();
    Ok(())
}
