//! Everything that crosses a crate, against real servers.

mod alerts;
mod bad_input;
mod desk;
mod doctor;
mod exemplars;
mod flood;
mod headers;
mod in_process;
mod journey;
mod memcheck;
mod not_tuned;
mod numbers;
mod off;
mod own_work;
mod postgres_loop;
mod promises;
mod pty;
mod readme;
mod recording;
mod requests;
mod rights;
mod same_answers;
mod statements;
mod the_loop;
mod tidy;
mod totals;
