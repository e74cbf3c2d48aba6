//! The server, the client and the socket between them, as the two ends use them.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod attach;
mod flood;
mod folder;
mod host;
mod raw;
mod right;
mod user;
