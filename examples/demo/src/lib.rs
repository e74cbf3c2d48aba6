//! A support desk that is slow in the ways real services are, with perfdeck attached.
//!
//! The service is an axum router over sqlx, on embedded SQLite or on a PostgreSQL server, and it works under a load of its
//! own. It has primary keys and no other index, asks the database once a session where one statement would do, and caches
//! one answer out of many. Read `service.rs` first, then `route/`.
//!
//! What is public is for the program and for the benchmark, which sends the same requests as the demo's own load.

mod background;
mod load;
mod minute;
mod name;
mod option;
mod route;
mod run;
mod schema;
mod seed;
mod service;
mod store;
mod zipf;

pub use self::load::{Call, Mix};
pub use self::option::Options;
pub use self::run::run;
