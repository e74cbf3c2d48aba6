//! Everything that crosses a crate, against real servers.

mod tidy;
