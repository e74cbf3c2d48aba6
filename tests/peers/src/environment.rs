//! What a measured process inherits.

use std::process::Command;

/// Takes away what was set for another host: a filter of its log, perfdeck's and hotpath's settings.
pub fn clear(command: &mut Command) {
    for (variable, _) in std::env::vars_os() {
        let name = variable.to_string_lossy();
        if name == "RUST_LOG" || name.starts_with("PERFDECK") || name.starts_with("HOTPATH") {
            command.env_remove(variable);
        }
    }
}
