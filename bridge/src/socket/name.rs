// Whatever the bytes are.
#![deny(clippy::indexing_slicing)]
use std::path::Path;
use std::{fs, process};

use super::unsafe_folder;
use crate::Result;

/// The most bytes of a socket's path; the system's own limit, less the final zero.
pub const MAX_PATH: usize = 107;

const SUFFIX: &str = ".sock";

/// What a socket's name tells.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Parts<'a> {
    pub(super) service: &'a str,
    pub(super) pid: u32,
}

/// Makes the name of this process's socket in `folder`; its second deck of one name is the second `namesake`.
pub(super) fn of_this_process(folder: &Path, service: &str, namesake: u32) -> Result<String> {
    let pid = process::id();
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let tail = match namesake {
        0 | 1 => format!("-{pid}-{}{SUFFIX}", start(&stat)),
        _ => format!(".{namesake}-{pid}-{}{SUFFIX}", start(&stat)),
    };
    let room = MAX_PATH.saturating_sub(folder.as_os_str().len() + 1 + tail.len());
    if room == 0 {
        return Err(unsafe_folder(
            folder,
            "its path is too long for a socket in it",
        ));
    }
    Ok(sanitised(service, room) + &tail)
}

/// Reads a socket's name.
pub(super) fn parse(name: &str) -> Option<Parts<'_>> {
    let mut parts = name.strip_suffix(SUFFIX)?.rsplitn(3, '-');
    let _start: u64 = parts.next()?.parse().ok()?;
    let pid = parts.next()?.parse().ok()?;
    let service = parts.next().filter(|service| !service.is_empty())?;
    Some(Parts { service, pid })
}

fn sanitised(service: &str, room: usize) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
    let mut name: String = service
        .chars()
        .take(room)
        .map(|letter| if plain(letter) { letter } else { '_' })
        .collect();
    // No hidden files, no options, no empty names.
    if !name.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '_') {
        name.insert(0, '_');
        name.truncate(room);
    }
    name
}

/// Returns when a process was started, in the clock ticks of field 22; 0 where the system doesn't tell.
fn start(stat: &str) -> u64 {
    // The second field is the command in brackets, and may hold brackets and blanks itself.
    let fields = stat.rsplit_once(") ").map_or("", |(_, fields)| fields);
    fields
        .split(' ')
        .nth(22 - 3)
        .and_then(|field| field.parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_name_is_made_harmless_and_short() {
        let check = |service, room, expected: &str| {
            assert_eq!(sanitised(service, room), expected, "{service:?}");
        };
        check("checkout", 40, "checkout");
        check("check out/../x", 40, "check_out_.._x");
        check(".hidden", 40, "_.hidden");
        check("-rf", 40, "_-rf");
        check("", 40, "_");
        check("\u{1b}[31m", 40, "__31m");
        check("größe", 40, "gr__e");
        check("abcdef", 3, "abc");
        check("-bcdef", 3, "_-b");
    }

    #[test]
    fn a_name_is_read_back_also_with_dashes_in_it() {
        let check = |name, expected| assert_eq!(parse(name), expected, "{name:?}");
        check(
            "a-b-12-345.sock",
            Some(Parts {
                service: "a-b",
                pid: 12,
            }),
        );
        check(
            "demo.2-1-0.sock",
            Some(Parts {
                service: "demo.2",
                pid: 1,
            }),
        );
        check("demo-1-0", None);
        check("-1-0.sock", None);
        check("1-0.sock", None);
        check("demo-x-0.sock", None);
        check("demo-1-99999999999999999999999.sock", None);
    }

    #[test]
    fn a_start_is_found_behind_any_command() {
        let tail = "S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 777 20";
        for command in ["demo", "a b", ") S 1", "))"] {
            assert_eq!(start(&format!("42 ({command}) {tail}")), 777, "{command:?}");
        }
        assert_eq!(start(""), 0);
    }

    #[test]
    fn a_path_never_exceeds_what_a_socket_may_have() {
        let folder = Path::new("/run/user/1000/perfdeck");
        let name = of_this_process(folder, &"x".repeat(500), 1).unwrap();
        assert_eq!(folder.join(name).as_os_str().len(), MAX_PATH);
        let long = format!("/{}", "y".repeat(100));
        assert!(of_this_process(Path::new(&long), "demo", 1).is_err());
    }
}
