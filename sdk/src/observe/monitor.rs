//! Functions under `#[perfdeck::monitor]`.

use std::sync::{Arc, OnceLock};

use super::Eyes;
use crate::clock::Moment;

/// The eyes of the first deck that was started in this process.
static FIRST: OnceLock<Arc<Eyes>> = OnceLock::new();

/// Lets the macros use a deck, if none was before; returns whether it is the first.
pub(crate) fn install(eyes: &Arc<Eyes>) -> bool {
    FIRST.set(Arc::clone(eyes)).is_ok()
}

/// One call of a monitored function, until it is dropped.
#[derive(Debug)]
pub struct Monitor {
    running: Option<(&'static Arc<Eyes>, Moment)>,
    name: &'static str,
    failed: bool,
}

/// Begins a call.
#[must_use]
pub fn monitor(name: &'static str) -> Monitor {
    Monitor {
        running: FIRST.get().map(|eyes| (eyes, eyes.clock.now())),
        name,
        failed: false,
    }
}

impl Monitor {
    /// Says that the call returned an error.
    pub const fn failed(&mut self) {
        self.failed = true;
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        if let Some((eyes, start)) = self.running {
            eyes.recorder
                .function(self.name, eyes.clock.now().nanos_since(start), self.failed);
        }
    }
}
