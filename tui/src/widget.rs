//! The pieces that screens are made of. None of them keeps state, and none leaves the area it is given.

pub(crate) mod bar;
pub(crate) mod canvas;
pub(crate) mod chart;
pub(crate) mod modal;
pub(crate) mod sparkline;
pub(crate) mod table;
#[cfg(test)]
mod tests;

pub(crate) use canvas::{Canvas, Piece, piece};
