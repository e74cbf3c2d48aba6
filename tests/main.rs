//! Everything that crosses a crate, against real servers.

mod bad_input;
mod journey;
mod not_tuned;
mod postgres_loop;
mod pty;
mod same_answers;
mod the_loop;
mod tidy;
mod totals;
