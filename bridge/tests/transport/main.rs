//! The server, the client and the socket between them, as the two ends use them.

mod attach;
mod flood;
mod folder;
mod host;
mod raw;
mod right;
mod user;
