//! What the tests stand on: the built programs as processes, hosts under load, terminals, and servers of their own.

pub mod folder;
pub mod footprint;
pub mod host;
pub mod http;
pub mod literals;
pub mod load;
pub mod postgres;
pub mod process;
pub mod proxy;
pub mod redis;
pub mod schema;
pub mod terminal;
pub mod wait;
