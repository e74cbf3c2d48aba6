//! What tests do to a recorder's calls of the system: one in a row of them fails, or some, by their number.

use std::cell::Cell;
use std::io;
use std::ops::Range;

/// Which of this thread's calls fail, and with what.
#[derive(Debug, Default, Clone)]
struct Fault {
    calls: u64,
    failing: Range<u64>,
    errno: i32,
}

thread_local! {
    static FAULT: Cell<Fault> = const {
        Cell::new(Fault { calls: 0, failing: 0..0, errno: 0 })
    };
}

/// Lets the calls of these numbers fail from now on, the next being number 0.
pub(super) fn inject(failing: Range<u64>, errno: i32) {
    FAULT.set(Fault {
        calls: 0,
        failing,
        errno,
    });
}

/// Returns how many calls there were since then.
pub(super) fn calls() -> u64 {
    let fault = FAULT.take();
    let calls = fault.calls;
    FAULT.set(fault);
    calls
}

/// Comes before each call.
pub(super) fn strike() -> io::Result<()> {
    let mut fault = FAULT.take();
    let fails = fault.failing.contains(&fault.calls);
    let errno = fault.errno;
    fault.calls += 1;
    FAULT.set(fault);
    if fails {
        Err(io::Error::from_raw_os_error(errno))
    } else {
        Ok(())
    }
}
