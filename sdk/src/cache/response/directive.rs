//! `Cache-Control`, read as RFC 9111 5.2 writes it: names in any case, values plain or quoted.

use std::time::Duration;

use http::header::{CACHE_CONTROL, HeaderMap, PRAGMA};

/// What stands for all numbers of seconds that are too large (RFC 9111 1.2.2).
const FOR_EVER: u64 = 1 << 31;

/// The directives of a request or a response.
#[derive(Debug, Default)]
pub(super) struct Directives {
    all: Vec<(String, Option<String>)>,
    /// Whether a part could not be read, so nobody knows what it forbids.
    broken: bool,
}

/// What a directive says in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seconds {
    Unsaid,
    /// Without a value.
    Bare,
    Said(Duration),
    /// It says no number, or two.
    Invalid,
}

impl Directives {
    pub(super) fn read(headers: &HeaderMap) -> Self {
        let mut read = Self::default();
        for value in headers.get_all(CACHE_CONTROL) {
            read.line(value.as_bytes());
        }
        if !headers.contains_key(CACHE_CONTROL) {
            // Only known from requests, but nobody says so in a response who wants it reused.
            let asks = |value: &http::HeaderValue| {
                let value = value.as_bytes().to_ascii_lowercase();
                value.windows(8).any(|part| part == b"no-cache")
            };
            if headers.get_all(PRAGMA).iter().any(asks) {
                read.all.push(("no-cache".to_owned(), None));
            }
        }
        read
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.all.iter().any(|(said, _)| said == name)
    }

    pub(super) const fn is_broken(&self) -> bool {
        self.broken
    }

    pub(super) fn seconds(&self, name: &str) -> Seconds {
        let mut values = self.all.iter().filter(|(said, _)| said == name);
        let Some((_, first)) = values.next() else {
            return Seconds::Unsaid;
        };
        if values.any(|(_, other)| other != first) {
            return Seconds::Invalid;
        }
        match first.as_deref() {
            None => Seconds::Bare,
            Some(digits) => number(digits).map_or(Seconds::Invalid, Seconds::Said),
        }
    }

    /// The window that an extension opens; none where it is not a number.
    pub(super) fn window(&self, name: &str) -> Duration {
        match self.seconds(name) {
            Seconds::Said(window) => window,
            Seconds::Unsaid | Seconds::Bare | Seconds::Invalid => Duration::ZERO,
        }
    }

    fn line(&mut self, line: &[u8]) {
        let (mut quoted, mut escaped, mut start) = (false, false, 0);
        for (at, byte) in line.iter().enumerate() {
            match byte {
                _ if escaped => escaped = false,
                b'\\' if quoted => escaped = true,
                b'"' => quoted = !quoted,
                b',' if !quoted => {
                    self.part(line.get(start..at).unwrap_or_default());
                    start = at + 1;
                }
                _ => {}
            }
        }
        self.broken |= quoted;
        self.part(line.get(start..).unwrap_or_default());
    }

    fn part(&mut self, part: &[u8]) {
        let part = part.trim_ascii();
        if part.is_empty() {
            return;
        }
        let (name, value) = match part.iter().position(|byte| *byte == b'=') {
            Some(at) => (part.get(..at), part.get(at + 1..)),
            None => (Some(part), None),
        };
        let name = name.unwrap_or_default().trim_ascii();
        let Ok(name) = std::str::from_utf8(name) else {
            self.broken = true;
            return;
        };
        let value = value.map(|value| {
            let value = value.trim_ascii();
            let inner = value
                .strip_prefix(b"\"")
                .and_then(|value| value.strip_suffix(b"\""));
            String::from_utf8_lossy(inner.unwrap_or(value)).into_owned()
        });
        self.all.push((name.to_ascii_lowercase(), value));
    }
}

/// A number of seconds; those beyond what is told apart are the largest.
pub(super) fn number(digits: &str) -> Option<Duration> {
    let all_digits = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    all_digits.then(|| {
        let seconds = digits.parse::<u64>().unwrap_or(FOR_EVER);
        Duration::from_secs(seconds.min(FOR_EVER))
    })
}
