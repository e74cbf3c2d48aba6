use std::io::{self, IsTerminal as _, Stdout, Write as _};
use std::sync::Once;
use std::thread;

use anyhow::{Context as _, Result, bail};
use crossterm::cursor::{Hide, Show};
use crossterm::event::{DisableBracketedPaste, EnableBracketedPaste};
use crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use crossterm::{execute, queue};
use ratatui::backend::CrosstermBackend;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

/// The terminal in raw mode on its alternate screen; dropping it brings back what was there.
#[derive(Debug)]
pub(super) struct Terminal {
    inner: ratatui::Terminal<CrosstermBackend<Stdout>>,
    _restoring: Restoring,
}

impl Terminal {
    /// Takes the terminal over.
    pub(super) fn enter() -> Result<Self> {
        if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
            bail!("the screens need a terminal; `perfdeck --help` names the commands that don't");
        }
        restore_on_panic();
        enable_raw_mode().context("could not set the terminal to raw mode")?;
        // If anything below fails, dropping this gives the terminal back.
        let restoring = Restoring;
        execute!(
            io::stdout(),
            EnterAlternateScreen,
            EnableBracketedPaste,
            Hide
        )
        .context("could not open the alternate screen")?;
        let backend = CrosstermBackend::new(io::stdout());
        let inner = ratatui::Terminal::new(backend).context("could not measure the terminal")?;
        Ok(Self {
            inner,
            _restoring: restoring,
        })
    }

    /// Draws a frame; only what differs from the last one is written.
    pub(super) fn draw(&mut self, draw: impl FnOnce(Rect, &mut Buffer)) -> Result<()> {
        let frame = |frame: &mut ratatui::Frame<'_>| draw(frame.area(), frame.buffer_mut());
        self.inner
            .draw(frame)
            .context("could not draw on the terminal")?;
        Ok(())
    }
}

#[derive(Debug)]
struct Restoring;

impl Drop for Restoring {
    fn drop(&mut self) {
        restore();
    }
}

/// Gives the terminal back. What fails here can't be helped: the terminal may be gone.
fn restore() {
    let mut out = io::stdout();
    let _ = queue!(out, DisableBracketedPaste, LeaveAlternateScreen, Show);
    let _ = out.flush();
    let _ = disable_raw_mode();
}

/// Gives the terminal back before a panic of this thread is told, so that its message can be read.
fn restore_on_panic() {
    static HOOKED: Once = Once::new();
    HOOKED.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            // The host of a demo has threads of its own, whose panics don't end the screens.
            if thread::current().name() == Some("perfdeck-tui") {
                restore();
            }
            before(panic);
        }));
    });
}
