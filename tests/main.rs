//! Everything that crosses a crate, against real servers.

mod bad_input;
mod journey;
mod not_tuned;
mod postgres_loop;
mod pty;
mod rights;
mod same_answers;
mod statements;
mod the_loop;
mod tidy;
mod totals;
