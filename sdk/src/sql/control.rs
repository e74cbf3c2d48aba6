//! Which statements of a text begin and end transactions.

use super::token::{Kind, Tokens};

/// A statement that begins or ends a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Control {
    Begin,
    Commit,
    RollBack,
}

/// What a text does to the transaction of its connection.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Controls {
    /// In the order of the text.
    pub(crate) steps: Vec<Control>,
    /// There are statements of another kind, or what there is can't be told.
    pub(crate) others: bool,
    /// There is more than one statement.
    pub(crate) several: bool,
}

/// Reads what a text does to the transaction of its connection.
///
/// A savepoint and a return to one are within the transaction, and no step.
pub(crate) fn controls(sql: &str) -> Controls {
    let mut found = Controls::default();
    // Nearly all texts are one statement of another kind, and are told by their first word.
    if !sql.contains(';') && !begins_as_one(sql) {
        found.others = true;
        return found;
    }
    let mut words: Vec<&str> = Vec::new();
    let mut statements = 0;
    for token in Tokens::new(sql) {
        let Ok(token) = token else {
            found.others = true;
            // What follows may be anything.
            statements += 1;
            break;
        };
        if token.kind == Kind::Mark(b';') {
            found.take(&words);
            words.clear();
            continue;
        }
        statements += usize::from(words.is_empty());
        if words.len() < 4 {
            words.push(token.text);
        }
    }
    found.take(&words);
    found.several = statements > 1;
    found
}

impl Controls {
    fn take(&mut self, words: &[&str]) {
        let is = |at: usize, word: &str| {
            words
                .get(at)
                .is_some_and(|present| present.eq_ignore_ascii_case(word))
        };
        let any = |at: usize, of: &[&str]| of.iter().any(|word| is(at, word));
        // `ROLLBACK [WORK | TRANSACTION] TO ..` goes back, and on.
        let back = is(1, "TO") || any(1, &["WORK", "TRANSACTION"]) && is(2, "TO");
        let step = if words.is_empty() {
            return;
        } else if is(0, "BEGIN") || is(0, "START") && is(1, "TRANSACTION") {
            Control::Begin
        } else if any(0, &["COMMIT", "END"]) || is(0, "PREPARE") && is(1, "TRANSACTION") {
            Control::Commit
        } else if any(0, &["ROLLBACK", "ABORT"]) && !back && !is(1, "PREPARED") {
            Control::RollBack
        } else {
            self.others |= !any(0, &["ROLLBACK", "SAVEPOINT", "RELEASE"]);
            return;
        };
        self.steps.push(step);
    }
}

fn begins_as_one(sql: &str) -> bool {
    // What stands before the first word may be a comment.
    let first = sql.trim_start();
    if first.starts_with("--") || first.starts_with("/*") {
        return true;
    }
    let end = first
        .find(|c: char| !c.is_ascii_alphabetic())
        .unwrap_or(first.len());
    let word = first.get(..end).unwrap_or_default();
    [
        "BEGIN",
        "START",
        "COMMIT",
        "END",
        "PREPARE",
        "ROLLBACK",
        "ABORT",
        "SAVEPOINT",
        "RELEASE",
    ]
    .iter()
    .any(|known| word.eq_ignore_ascii_case(known))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_begins_and_ends_a_transaction_is_told() {
        use Control::{Begin, Commit, RollBack};
        let check = |sql: &str, steps: &[Control], others: bool| {
            let expected = Controls {
                steps: steps.to_vec(),
                others,
                several: sql.contains("; ") && sql != "SELECT ';'" && !sql.contains("/*"),
            };
            assert_eq!(controls(sql), expected, "{sql}");
        };
        check("SELECT 1", &[], true);
        check("begin", &[Begin], false);
        check("/* a; */ BEGIN IMMEDIATE;", &[Begin], false);
        check("START TRANSACTION READ ONLY", &[Begin], false);
        check("commit and chain", &[Commit], false);
        check("END", &[Commit], false);
        check("PREPARE TRANSACTION 'a;b'", &[Commit], false);
        check("PREPARE plan AS SELECT 1", &[], true);
        check("ROLLBACK", &[RollBack], false);
        check("ABORT", &[RollBack], false);
        check("ROLLBACK TO a", &[], false);
        check("ROLLBACK WORK TO SAVEPOINT a", &[], false);
        check("SAVEPOINT a", &[], false);
        check("RELEASE a", &[], false);
        check(
            "BEGIN; INSERT INTO t VALUES (';'); COMMIT",
            &[Begin, Commit],
            true,
        );
        check("SELECT ';'", &[], true);
        check("COMMIT; SELECT 'open", &[Commit], true);
        check("", &[], true);
    }
}
