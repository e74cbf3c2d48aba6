//! The terminal of perfdeck: what is slow in a running service, why, and did the fix help.
//!
//! This crate is a viewer. It sees a host only through [`perfdeck_bridge::Source`] and never the SDK. The data flows one
//! way: the runtime turns keys, states and the passing of time into messages, `update` changes the model by them and
//! returns effects, the runtime executes these, and `draw` shows the model. Only the runtime touches channels, the clock
//! and the terminal; only the theme knows colours; all text of the host is made harmless where it is drawn.

mod amount;
mod cli;
mod draw;
mod effect;
mod error;
mod format;
mod keymap;
mod list;
mod model;
mod msg;
mod picture;
mod runtime;
mod screen;
mod sight;
mod target;
#[cfg(test)]
mod tests;
mod theme;
mod update;
mod widget;
mod wish;

use std::path::PathBuf;

pub use cli::run;
pub use picture::picture;

/// Shows the screens of the host that listens at `socket`, until the user leaves.
///
/// It blocks its thread and runs on a thread and an event loop of its own, so a host may call it in its own process:
/// outside of any runtime, or through `spawn_blocking`.
///
/// # Errors
///
/// If standard input or output is no terminal, or it can't be set up. A host that is not there is no error: it is called
/// again until it is.
pub fn attach(socket: PathBuf) -> anyhow::Result<()> {
    let target = target::Target {
        socket: Some(socket),
        ..target::Target::default()
    };
    runtime::show(target, cli::theme(false))
}
