/// Tells an error and its causes on one line, each of them once.
pub(crate) fn sentence(error: &anyhow::Error) -> String {
    let mut told: Vec<String> = Vec::new();
    for cause in error.chain().map(ToString::to_string) {
        // Some errors show their cause as their own text.
        if !told.last().is_some_and(|last| last.ends_with(&cause)) {
            told.push(cause);
        }
    }
    told.join(": ")
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;
    use perfdeck_bridge::Error;
    use perfdeck_bridge::protocol::{Refusal, RefusalCode};

    use super::*;

    #[test]
    fn a_cause_that_was_told_is_not_told_again() {
        let refused = Error::from(Refusal::new(RefusalCode::Busy, "another action runs"));
        let error = Err::<(), _>(refused)
            .context("could not apply")
            .unwrap_err();
        assert_eq!(sentence(&error), "could not apply: another action runs");
    }
}
