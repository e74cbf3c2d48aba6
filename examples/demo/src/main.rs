//! A support desk that is slow in the ways real services are, with perfdeck attached.
//!
//! The service is an axum router over sqlx, on embedded SQLite or on a PostgreSQL server, and it works under a load of its
//! own. It has primary keys and no other index, asks the database once a session where one statement would do, and caches
//! one answer out of many. Read `service.rs` first, then `route/`.

#![expect(
    clippy::disallowed_methods,
    reason = "a host has a clock of its own, and its load measures by it"
)]

mod background;
mod load;
mod name;
mod option;
mod route;
mod run;
mod schema;
mod seed;
mod service;
mod store;
mod zipf;

use clap::Parser;

use crate::option::Options;

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(run::run(options))
}
