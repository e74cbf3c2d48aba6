//! Which processor does what, so that the scheduler has nothing to choose.

use anyhow::Result;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Leaves one of this process's processors to the services, and returns which; none if there is but one.
pub(crate) fn share() -> Result<Option<usize>> {
    let mut own = sched_getaffinity(None)?;
    let last = (0..CpuSet::MAX_CPU).rfind(|&processor| own.is_set(processor));
    let (Some(last), 2..) = (last, own.count()) else {
        return Ok(None);
    };
    own.unset(last);
    sched_setaffinity(None, &own)?;
    Ok(Some(last))
}

/// Keeps this thread, and those that it starts, to one processor.
pub(crate) fn keep_to(processor: usize) -> Result<()> {
    let mut own = CpuSet::new();
    own.set(processor);
    Ok(sched_setaffinity(None, &own)?)
}
