use std::io::{self, IsTerminal as _, Stdout, Write as _};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};
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
        TAKEN.store(true, Ordering::Release);
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

/// Whether the terminal is ours.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// Gives the terminal back, once: done again after a panic it would move the cursor back over the panic's message.
///
/// What fails here can't be helped: the terminal may be gone.
fn restore() {
    if !TAKEN.swap(false, Ordering::AcqRel) {
        return;
    }
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

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::num::NonZero;
    use std::time::Duration;

    use perfdeck_tests::terminal::Terminal as Pty;
    use portable_pty::CommandBuilder;

    use super::*;

    const A_MOMENT: Duration = Duration::from_secs(10);

    #[test]
    fn a_panic_gives_the_terminal_back_and_can_be_read() {
        // This program again, in a terminal, with the test below.
        let mut command = CommandBuilder::new(std::env::current_exe().unwrap());
        let name = "runtime::terminal::tests::draws_until_a_key_and_panics";
        command.args(["--exact", name, "--ignored", "--nocapture"]);
        // The message, and no lines that push it off the screen.
        command.env("RUST_BACKTRACE", "0");
        let size = NonZero::new(100).zip(NonZero::new(30));
        let (columns, rows) = size.unwrap();
        let mut pty = Pty::start(command, columns, rows).unwrap();
        pty.shows("drawn", A_MOMENT).unwrap();
        assert!(pty.is_alternate());
        pty.press("x").unwrap();
        assert!(!pty.end(A_MOMENT).unwrap().success());
        pty.is_restored(A_MOMENT).unwrap();
        pty.shows("a fault of our own", A_MOMENT).unwrap();
    }

    #[test]
    #[ignore = "needs the terminal that the test above makes"]
    fn draws_until_a_key_and_panics() {
        let screens = || {
            let mut terminal = Terminal::enter().unwrap();
            let style = ratatui::style::Style::new();
            let draw = |_: Rect, buffer: &mut Buffer| buffer.set_string(0, 0, "drawn", style);
            terminal.draw(draw).unwrap();
            io::stdin().read_exact(&mut [0]).unwrap();
            terminal.draw(|_, _| panic!("a fault of our own")).unwrap();
        };
        let thread = thread::Builder::new().name("perfdeck-tui".to_owned());
        let end = thread.spawn(screens).unwrap().join();
        assert!(end.is_ok(), "the screens panicked");
    }
}
