//! The program `perfdeck`; everything it does is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    perfdeck_tui::run(std::env::args_os())
}
