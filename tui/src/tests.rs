//! What the screens look like, and where keys lead, tested without a terminal.

mod harness;
mod journey;
mod loss;
mod matrix;
mod picture;
