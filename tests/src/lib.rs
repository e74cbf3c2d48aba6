//! What the tests need that cross a crate: the built programs as processes, hosts under load, servers of their own.

pub mod folder;
pub mod host;
pub mod http;
pub mod process;
pub mod terminal;
pub mod wait;
