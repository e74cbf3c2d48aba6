//! The one place that makes text which may leave the process: everything here goes through a redactor of this floor.

use perfdeck_bridge::protocol::Redacted;

use super::fingerprint::{fingerprint, redact};

/// What is told of a plan whose literals are not certain.
const HIDDEN: &str = "(a plan whose literals can't be told apart)";

/// Gives a statement's id and its text without literals.
#[must_use]
pub fn statement(sql: &str) -> (u64, Redacted) {
    let mut id = 0;
    let fingerprinted = |sql: &str| {
        let shape = fingerprint(sql);
        id = shape.id;
        shape.text
    };
    let text = Redacted::through(fingerprinted, sql);
    (id, text)
}

/// Tells words of our own, in which nothing of the host's can be.
pub(crate) fn own(words: &'static str) -> Redacted {
    Redacted::through(str::to_owned, words)
}

/// Cuts a text to so many bytes.
pub(crate) fn cut(text: &Redacted, bytes: usize) -> Redacted {
    if text.as_str().len() <= bytes {
        return text.clone();
    }
    let shortened = |text: &str| {
        let end = (0..=bytes).rev().find(|end| text.is_char_boundary(*end));
        format!("{}…", text.get(..end.unwrap_or(0)).unwrap_or_default())
    };
    Redacted::through(shortened, text.as_str())
}

/// Takes the literals out of PostgreSQL's plan. Its lines are joined first, since a literal may go on in the next line.
pub(crate) fn plan(lines: &[String]) -> Vec<Redacted> {
    let Some(joined) = redact(&lines.join("\n"), false) else {
        return vec![own(HIDDEN)];
    };
    joined.lines().map(plan_line).collect()
}

/// Takes the literals out of one line of PostgreSQL's plan.
pub(crate) fn plan_line(line: &str) -> Redacted {
    // Numbers are costs in a step's own line and may be values in the lines under it.
    let numbers = !line.contains("cost=");
    let redactor = |line: &str| redact(line, numbers).unwrap_or_else(|| HIDDEN.into());
    Redacted::through(redactor, line)
}

/// Takes the literals out of SQLite's plan, whose steps are a line each and whose numbers count rows and subqueries.
pub(crate) fn steps(lines: &[String]) -> Vec<Redacted> {
    let redactor = |line: &str| redact(line, false).unwrap_or_else(|| HIDDEN.into());
    lines
        .iter()
        .map(|line| Redacted::through(redactor, line))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(lines: &[Redacted]) -> Vec<&str> {
        lines.iter().map(Redacted::as_str).collect()
    }

    #[test]
    fn a_plan_is_told_without_its_literals() {
        let lines = [
            "Seq Scan on t  (cost=0.00..35.50 rows=10 width=4)",
            "  Filter: ((a > 4711) AND (b = 'secret",
            "(cost=secret'::text))",
        ]
        .map(str::to_owned);
        assert_eq!(
            told(&plan(&lines)),
            [
                "Seq Scan on t  (cost=0.00..35.50 rows=10 width=4)",
                "  Filter: ((a > ?) AND (b = ?::text))",
            ]
        );
    }

    #[test]
    fn a_plan_with_an_open_literal_is_not_told() {
        let lines = ["Filter: (b = 'secret".to_owned()];
        assert_eq!(told(&plan(&lines)), [HIDDEN]);
        assert_eq!(told(&steps(&lines)), [HIDDEN]);
    }

    #[test]
    fn sqlites_steps_keep_their_words() {
        let lines = [
            "SCAN 3 CONSTANT ROWS",
            "SEARCH notes USING INDEX notes_a (a=? AND b>?)",
            "SCAN x VIRTUAL TABLE INDEX 0:'secret'",
        ]
        .map(str::to_owned);
        assert_eq!(
            told(&steps(&lines)),
            [
                "SCAN 3 CONSTANT ROWS",
                "SEARCH notes USING INDEX notes_a (a=? AND b>?)",
                "SCAN x VIRTUAL TABLE INDEX 0:?",
            ]
        );
    }

    #[test]
    fn a_cut_keeps_whole_characters() {
        let (_, text) = statement("SELECT ä FROM t WHERE b = 'secret'");
        assert_eq!(cut(&text, 8).as_str(), "SELECT …");
        assert_eq!(cut(&text, 1_000), text);
    }
}
