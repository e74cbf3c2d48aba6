//! What the tests stand on: private servers.

pub mod postgres;
