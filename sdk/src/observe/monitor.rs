//! Functions under `#[perfdeck::monitor]`.

use std::sync::OnceLock;

use super::Eyes;
use crate::clock::Start;
use crate::record::scope;
use crate::record::trail::{Kind, NOTED_NANOS};

/// The eyes of the first deck that was started in this process.
static FIRST: OnceLock<&'static Eyes> = OnceLock::new();

/// Lets the macros use a deck, if none was before; returns whether it is the first.
pub(crate) fn install(eyes: &'static Eyes) -> bool {
    FIRST.set(eyes).is_ok()
}

#[cfg(feature = "cache")]
mod cacheable;

#[cfg(feature = "cache")]
pub use cacheable::{Answer, ByHash, ByText, Repeating, Unseen};

/// A function under the attribute.
#[derive(Debug)]
pub struct Function {
    name: &'static str,
    number: OnceLock<u16>,
    /// The words that its key would be made of, if it could be cached.
    #[cfg(feature = "cache")]
    key: Option<&'static str>,
}

/// One call of a monitored function, until it is dropped.
#[derive(Debug)]
pub struct Monitor {
    running: Option<(&'static Eyes, Start)>,
    function: &'static Function,
    failed: bool,
}

impl Function {
    /// Names a function.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self {
            name,
            number: OnceLock::new(),
            #[cfg(feature = "cache")]
            key: None,
        }
    }

    /// Begins a call.
    #[must_use]
    #[inline]
    pub fn call(&'static self) -> Monitor {
        self.begin(FIRST.get().and_then(|eyes| eyes.open()))
    }

    /// Begins a call that one deck alone sees.
    #[cfg(test)]
    pub(crate) fn call_in(&'static self, eyes: &'static Eyes) -> Monitor {
        self.begin(Some(eyes))
    }

    #[inline]
    fn begin(&'static self, eyes: Option<&'static Eyes>) -> Monitor {
        Monitor {
            running: eyes.map(|eyes| (eyes, eyes.clock.start())),
            function: self,
            failed: false,
        }
    }

    fn number(&self, eyes: &'static Eyes) -> u16 {
        *self.number.get_or_init(|| {
            let number = eyes.recorder.number(self.name);
            #[cfg(feature = "cache")]
            self.offer(eyes, number);
            number
        })
    }

    /// Files a call that began at `start`; apart from the guard, so that the guard's few lines can be the caller's own.
    fn file(&self, eyes: &'static Eyes, start: Start, failed: bool) {
        let nanos = eyes.clock.nanos_since(start);
        let number = self.number(eyes);
        eyes.recorder.function(number, nanos, failed);
        if nanos >= NOTED_NANOS {
            let kind = if failed {
                Kind::FailedFunction
            } else {
                Kind::Function
            };
            scope::step(kind, u64::from(number), nanos);
        }
    }
}

impl Monitor {
    /// Says that the call returned an error.
    pub const fn failed(&mut self) {
        self.failed = true;
    }
}

impl Drop for Monitor {
    #[inline]
    fn drop(&mut self) {
        if let Some((eyes, start)) = self.running {
            self.function.file(eyes, start, self.failed);
        }
    }
}
