//! A program in a terminal, driven by keys and read from its screen.

use std::io::{Read, Write};
use std::num::NonZero;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use portable_pty::{Child, CommandBuilder, ExitStatus, MasterPty, PtySize, native_pty_system};
use rustix::process::{Pid, Signal, kill_process};
use vt100::Parser;

use crate::wait::{Seen, within};

/// A pseudo-terminal with one program in it, which is killed when this is dropped.
pub struct Terminal {
    master: Box<dyn MasterPty + Send>,
    keys: Box<dyn Write + Send>,
    child: Box<dyn Child + Send + Sync>,
    screen: Arc<Mutex<Parser>>,
    modes_before: String,
}

impl Terminal {
    /// Starts a command in a terminal of this size.
    ///
    /// # Errors
    ///
    /// If there is no pseudo-terminal, or the command can't be started.
    pub fn start(
        command: CommandBuilder,
        columns: NonZero<u16>,
        rows: NonZero<u16>,
    ) -> Result<Self> {
        let size = PtySize {
            rows: rows.get(),
            cols: columns.get(),
            pixel_width: 0,
            pixel_height: 0,
        };
        let pair = native_pty_system().openpty(size)?;
        let modes_before = modes(&*pair.master)?;
        let keys = pair.master.take_writer()?;
        let reader = pair.master.try_clone_reader()?;
        let screen = Arc::new(Mutex::new(Parser::new(rows, columns, 0)));
        read_to_screen(reader, Arc::clone(&screen))?;
        let child = pair.slave.spawn_command(command)?;
        Ok(Self {
            master: pair.master,
            keys,
            child,
            screen,
            modes_before,
        })
    }

    /// Presses keys, as the bytes that a terminal sends for them.
    ///
    /// # Errors
    ///
    /// If the terminal is gone.
    pub fn press(&mut self, keys: &str) -> Result<()> {
        self.keys.write_all(keys.as_bytes())?;
        self.keys.flush()?;
        Ok(())
    }

    /// Waits until the screen shows a text.
    ///
    /// # Errors
    ///
    /// If the time is over; the error has the screen.
    pub fn shows(&self, text: &str, limit: Duration) -> Result<()> {
        within(limit, &format!("`{text}` on the screen"), || {
            let screen = self.text();
            Ok(if screen.contains(text) {
                Seen::Yes(())
            } else {
                Seen::NotYet(format!("\n{screen}"))
            })
        })
    }

    /// Waits until the screen no longer shows a text.
    ///
    /// # Errors
    ///
    /// If the time is over; the error has the screen.
    pub fn hides(&self, text: &str, limit: Duration) -> Result<()> {
        within(limit, &format!("end of `{text}` on the screen"), || {
            let screen = self.text();
            Ok(if screen.contains(text) {
                Seen::NotYet(format!("\n{screen}"))
            } else {
                Seen::Yes(())
            })
        })
    }

    /// Returns what is on the screen.
    #[must_use]
    pub fn text(&self) -> String {
        self.with_screen(vt100::Screen::contents)
    }

    /// Tells whether the screen is a program's own, and not the shell's.
    #[must_use]
    pub fn is_alternate(&self) -> bool {
        self.with_screen(vt100::Screen::alternate_screen)
    }

    /// Waits until the shell's lines and cursor show, the mouse is free and the line discipline is as it was before.
    ///
    /// # Errors
    ///
    /// If the time is over; the error has the screen.
    pub fn is_restored(&self, limit: Duration) -> Result<()> {
        within(limit, "restored terminal", || {
            let as_a_shell_has_it = self.with_screen(|screen| {
                !screen.alternate_screen()
                    && !screen.hide_cursor()
                    && screen.mouse_protocol_mode() == vt100::MouseProtocolMode::None
            });
            let modes = modes(&*self.master)?;
            Ok(if as_a_shell_has_it && modes == self.modes_before {
                Seen::Yes(())
            } else {
                Seen::NotYet(format!("{modes}\n{}", self.text()))
            })
        })
    }

    /// Sends the program a signal.
    ///
    /// # Errors
    ///
    /// If it is gone.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let pid = self.child.process_id().map(u32::cast_signed);
        let pid = pid
            .and_then(Pid::from_raw)
            .context("the program has a process")?;
        Ok(kill_process(pid, signal)?)
    }

    /// Waits for the program's end.
    ///
    /// # Errors
    ///
    /// If the time is over first; the error has the screen.
    pub fn end(&mut self, limit: Duration) -> Result<ExitStatus> {
        within(limit, "end of the program", || {
            Ok(match self.child.try_wait()? {
                Some(status) => Seen::Yes(status),
                None => Seen::NotYet(format!("\n{}", self.text())),
            })
        })
    }

    fn with_screen<T>(&self, read: impl FnOnce(&vt100::Screen) -> T) -> T {
        let parser = self.screen.lock().unwrap_or_else(PoisonError::into_inner);
        read(parser.screen())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl std::fmt::Debug for Terminal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Terminal").finish_non_exhaustive()
    }
}

/// The line discipline's settings, in words.
fn modes(master: &(dyn MasterPty + Send)) -> Result<String> {
    let modes = master.get_termios().context("the terminal is gone")?;
    Ok(format!("{modes:?}"))
}

/// Feeds the screen until the terminal is gone.
fn read_to_screen(mut from: Box<dyn Read + Send>, screen: Arc<Mutex<Parser>>) -> Result<()> {
    std::thread::Builder::new()
        .name("screen".to_owned())
        .spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(read @ 1..) = from.read(&mut buffer) {
                let mut parser = screen.lock().unwrap_or_else(PoisonError::into_inner);
                parser.process(buffer.get(..read).unwrap_or_default());
            }
        })?;
    Ok(())
}
