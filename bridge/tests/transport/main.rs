//! The server, the client and the socket between them, as the two ends use them.

mod attach;
mod host;
mod raw;
