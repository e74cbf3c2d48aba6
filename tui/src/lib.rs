//! The terminal of perfdeck.

mod draw;
mod effect;
mod format;
mod keymap;
mod list;
mod model;
mod msg;
mod screen;
mod theme;
mod update;
mod widget;
