//! What the screens look like, and where keys lead, tested without a terminal.

mod harness;
mod journey;
mod matrix;
mod picture;
