//! Counting the instructions of a row.

use anyhow::Result;
use perfdeck_peers::callgrind::{Instructions, Run, Total};

use crate::case::{Case, Row};
use crate::job::Measure;
use crate::round;

/// A run of few operations and one of many; what the many cost more is theirs.
const FEW: u64 = 2_000;
const MANY: u64 = 12_000;

/// The function on whose thread the work is done.
const WORK: &str = "counted_by_callgrind";

/// Counts the instructions of an operation.
pub(crate) fn count(case: &Case, row: &Row) -> Result<Instructions> {
    let fewer = if row.most < u64::MAX { 10 } else { 1 };
    let (few, many) = (FEW / fewer, MANY / fewer);
    let totals = (run(case, row, few)?, run(case, row, many)?);
    Ok(Instructions::between(totals.0, totals.1, many - few))
}

fn run(case: &Case, row: &Row, operations: u64) -> Result<Total> {
    let run = Run::new()?;
    round::tell(
        run.command()?,
        case,
        row,
        Measure::Instructions { operations },
    )?;
    run.total(&[WORK])
}
