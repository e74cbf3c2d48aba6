use std::fmt::Write as _;

use super::keyword::{self, Says};
use super::verb::Verb;
use super::{Fingerprint, MAX_TEXT};
use crate::sql::hash;
use crate::sql::token::{Kind, Token, Tokens};

/// Writes the canonical text while the tokens come by.
#[derive(Debug)]
pub(super) struct Writer {
    out: String,
    verb: Verb,
    previous: Previous,
    /// A list that becomes `…` if nothing but values turns up before its end.
    list: Option<List>,
    values: Values,
    /// `BETWEEN` was seen and its `AND` was not: what follows that is a value.
    between: bool,
    /// The next parenthesis is a list of columns, not a call's.
    after_into: bool,
    /// The name just written stands where a value belongs, so what it is called with is one too.
    value_name: bool,
    /// A name in backticks is in the text, so it isn't PostgreSQL's, and `"..."` is likely a string.
    backticks: bool,
    /// The open parentheses.
    open: Vec<Open>,
    /// The last end of a token at which the text may be cut.
    cut: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Previous {
    Start,
    Keyword(Role),
    Name,
    Value,
    Mark(u8),
    Operator,
    Cast,
}

/// What a keyword says about what follows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// A name, `FROM` say.
    Name,
    /// A value, `LIKE` say.
    Value,
    In,
    Array,
    Values,
    Plain,
}

#[derive(Debug, Clone, Copy)]
struct Open {
    /// It stands where a value belongs.
    value: bool,
    /// It is a call's, as far as is known, and not a query's.
    call: bool,
}

#[derive(Debug)]
struct List {
    /// Where the list's opening mark is in the text.
    start: usize,
    depth: usize,
    close: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Values {
    Outside,
    /// Inside the first row, at this depth of `open`.
    First(usize),
    /// Behind a row.
    Between,
    /// Behind a row's comma.
    Comma,
    /// Inside a later row, which is left out.
    Skipping(usize),
}

impl Writer {
    pub(super) fn new(sql: &str) -> Self {
        Self {
            out: String::with_capacity(sql.len().min(MAX_TEXT) + 64),
            verb: Verb::None,
            previous: Previous::Start,
            list: None,
            values: Values::Outside,
            between: false,
            after_into: false,
            value_name: false,
            backticks: has_backticks(sql),
            open: Vec::new(),
            cut: 0,
        }
    }

    /// What follows `COPY ... ;` is data, and so may be what follows its `STDIN`.
    pub(super) fn ends_at(&self, token: &Token<'_>) -> bool {
        match self.verb {
            Verb::Copy => token.kind == Kind::Mark(b';'),
            Verb::Copied => true,
            _ => false,
        }
    }

    pub(super) fn take(&mut self, token: &Token<'_>, rest: &Tokens<'_>) {
        if self.skips_row(token) {
            return;
        }
        match token.kind {
            Kind::Word => self.word(token.text),
            Kind::Quoted => self.quoted(token.text, rest),
            Kind::Backtick if matches!(self.verb, Verb::Assign { assigned: true }) => {
                self.value("?");
            }
            Kind::Backtick => {
                self.list = None;
                self.note_verb("");
                self.name(token.text, false);
            }
            Kind::Value => self.value("?"),
            Kind::Ellipsis => self.value("…"),
            Kind::Mark(mark) => self.mark(mark),
            Kind::Operator => self.operator(token.text, rest),
        }
    }

    /// Leaves out every row of `VALUES` but the first.
    fn skips_row(&mut self, token: &Token<'_>) -> bool {
        match (self.values, token.kind) {
            (Values::Between, Kind::Mark(b',')) => self.values = Values::Comma,
            (Values::Comma, Kind::Mark(b'(')) => self.values = Values::Skipping(1),
            (Values::Skipping(depth), Kind::Mark(b'(')) => {
                self.values = Values::Skipping(depth + 1);
            }
            (Values::Skipping(1), Kind::Mark(b')')) => self.values = Values::Between,
            (Values::Skipping(depth), Kind::Mark(b')')) => {
                self.values = Values::Skipping(depth - 1);
            }
            (Values::Skipping(_), _) => {}
            (Values::Between, _) => {
                self.values = Values::Outside;
                return false;
            }
            (Values::Comma, _) => {
                self.values = Values::Outside;
                self.mark(b',');
                return false;
            }
            _ => return false,
        }
        true
    }

    fn word(&mut self, word: &str) {
        if matches!(self.verb, Verb::Assign { assigned: true }) {
            return self.value("?");
        }
        let keyword = keyword::find(word);
        // A cast's type is part of a folded list, as are these; any other word is not a value.
        let constant = keyword.is_some_and(|keyword| keyword.says == Says::Constant);
        if self.previous != Previous::Cast && !constant {
            self.list = None;
        }
        let Some(keyword) = keyword else {
            self.note_verb(word);
            let from = self.previous == Previous::Keyword(Role::Name);
            if from && self.verb == Verb::Copy && word.eq_ignore_ascii_case("stdin") {
                self.verb = Verb::Copied;
            }
            return self.name(word, true);
        };
        self.note_verb(keyword.text);
        if matches!(self.previous, Previous::Mark(b'.') | Previous::Cast) {
            return self.name(word, true);
        }
        let role = match keyword.says {
            // As in `IS NOT DISTINCT FROM "x"`.
            Says::Not | Says::From if self.previous == Previous::Keyword(Role::Value) => {
                Role::Value
            }
            // As in `TRIM(x FROM "y")`.
            Says::From if self.open.last().is_some_and(|open| open.call) => Role::Plain,
            Says::From | Says::Name => Role::Name,
            Says::Query => {
                if let Some(open) = self.open.last_mut() {
                    open.call = false;
                }
                Role::Plain
            }
            Says::Into if self.verb == Verb::Vacuum => Role::Value,
            Says::Into => {
                self.after_into = true;
                Role::Name
            }
            Says::And if self.between => {
                self.between = false;
                Role::Value
            }
            Says::Between => {
                self.between = true;
                Role::Value
            }
            Says::Value => Role::Value,
            // As in `IDENTIFIED BY "x"`; the words that columns follow are keywords.
            Says::By if self.previous == Previous::Name => Role::Value,
            Says::In => Role::In,
            Says::Array => Role::Array,
            Says::Values => Role::Values,
            Says::To => {
                self.assign();
                Role::Plain
            }
            Says::Plain | Says::Constant | Says::Not | Says::And | Says::By => Role::Plain,
        };
        self.write(keyword.text, false);
        self.previous = Previous::Keyword(role);
    }

    fn note_verb(&mut self, word: &str) {
        self.verb = self.verb.then(word);
    }

    fn assign(&mut self) {
        if let Verb::Assign { assigned } = &mut self.verb {
            *assigned = true;
        }
    }

    fn name(&mut self, name: &str, folds: bool) {
        // Nor is a call right behind a name or another call one of columns, and a row has values.
        self.value_name = self.expects_value()
            || matches!(self.previous, Previous::Name | Previous::Mark(b')'))
            || name.eq_ignore_ascii_case("row");
        self.write("", false);
        let start = self.out.len();
        self.out.push_str(name);
        if folds && let Some(name) = self.out.get_mut(start..) {
            name.make_ascii_lowercase();
        }
        self.previous = Previous::Name;
    }

    fn quoted(&mut self, text: &str, rest: &Tokens<'_>) {
        let inner = text
            .strip_prefix('"')
            .and_then(|text| text.strip_suffix('"'));
        let plain = inner.filter(|inner| is_plain_name(inner));
        let before_dot = || {
            matches!(
                rest.clone().next(),
                Some(Ok(Token {
                    kind: Kind::Mark(b'.'),
                    ..
                }))
            )
        };
        let names = matches!(
            self.previous,
            Previous::Mark(b'.') | Previous::Keyword(Role::Name)
        ) || before_dot();
        // Right behind a name it may be an alias, or the password of a role.
        let behind_name = matches!(self.previous, Previous::Name | Previous::Value);
        if matches!(self.verb, Verb::Assign { assigned: true }) {
            return self.value("?");
        }
        if !names && (plain.is_none() || behind_name || self.backticks || self.expects_value()) {
            return self.value("?");
        }
        self.list = None;
        self.note_verb("");
        let bare = plain.filter(|name| {
            !name.bytes().any(|byte| byte.is_ascii_uppercase()) && keyword::find(name).is_none()
        });
        self.name(bare.unwrap_or(text), false);
    }

    fn expects_value(&self) -> bool {
        match self.previous {
            Previous::Operator | Previous::Keyword(Role::Value | Role::In | Role::Values) => true,
            _ => {
                self.list.is_some()
                    || matches!(self.values, Values::First(_))
                    || self.open.last().is_some_and(|open| open.value)
            }
        }
    }

    fn value(&mut self, text: &str) {
        self.note_verb("");
        self.write(text, false);
        self.previous = Previous::Value;
    }

    fn mark(&mut self, mark: u8) {
        self.note_verb("");
        match mark {
            b'(' | b'[' => return self.opening(mark),
            b')' | b']' => return self.closing(mark),
            b',' => {}
            b';' => {
                self.list = None;
                // The next statement is read for itself.
                self.verb = Verb::None;
                self.open.clear();
                self.between = false;
            }
            _ => self.list = None,
        }
        self.write("", true);
        self.out.push(char::from(mark));
        self.previous = Previous::Mark(mark);
    }

    fn opening(&mut self, mark: u8) {
        if mark == b'(' && matches!(self.verb, Verb::Assign { .. }) {
            self.assign();
        }
        let value = self.expects_value() || (self.previous == Previous::Name && self.value_name);
        let starts_list = match self.previous {
            Previous::Keyword(Role::In) => mark == b'(',
            Previous::Keyword(Role::Array) => mark == b'[',
            _ => false,
        };
        let call = matches!(
            self.previous,
            Previous::Name | Previous::Mark(b']' | b'(' | b'[')
        );
        let glued = (call && !self.after_into) || mark == b'[';
        self.after_into = false;
        self.write("", glued);
        if starts_list {
            let close = if mark == b'(' { b')' } else { b']' };
            self.list = Some(List {
                start: self.out.len(),
                depth: 0,
                close,
            });
        } else if let Some(list) = &mut self.list {
            list.depth += 1;
        }
        self.open.push(Open {
            value: value || starts_list,
            call: self.previous == Previous::Name,
        });
        if self.previous == Previous::Keyword(Role::Values) {
            self.values = Values::First(self.open.len());
        }
        self.out.push(char::from(mark));
        self.previous = Previous::Mark(mark);
    }

    fn closing(&mut self, mark: u8) {
        match &mut self.list {
            Some(list) if list.depth == 0 && list.close == mark => {
                self.out.truncate(list.start + 1);
                self.cut = self.cut.min(list.start);
                self.out.push('…');
                self.list = None;
            }
            Some(list) => list.depth = list.depth.saturating_sub(1),
            None => {}
        }
        if self.values == Values::First(self.open.len()) && mark == b')' {
            self.values = Values::Between;
        }
        self.open.pop();
        self.write("", true);
        self.out.push(char::from(mark));
        self.previous = Previous::Mark(mark);
    }

    fn operator(&mut self, operator: &str, rest: &Tokens<'_>) {
        self.note_verb("");
        if operator == "::" {
            // Behind a lone colon the two would be read as one and a parameter.
            self.write(operator, self.previous != Previous::Operator);
            self.previous = Previous::Cast;
            return;
        }
        if matches!(operator, "=" | ":=") {
            self.assign();
        }
        if matches!(operator, "-" | "+") && self.expects_operand() && starts_with_number(rest) {
            return;
        }
        // `*` in a list is a name or a product; either way no list of values.
        if !matches!(operator, "-" | "+") {
            self.list = None;
        }
        self.write(operator, false);
        self.previous = Previous::Operator;
    }

    fn expects_operand(&self) -> bool {
        matches!(
            self.previous,
            Previous::Start
                | Previous::Operator
                | Previous::Keyword(_)
                | Previous::Mark(b'(' | b'[' | b',' | b';')
        )
    }

    /// Writes a token, behind a space unless it is `glued` or what came before holds on to it.
    fn write(&mut self, text: &str, glued: bool) {
        let held = matches!(
            self.previous,
            Previous::Mark(b'.' | b'(' | b'[') | Previous::Cast
        );
        if !glued && !held && !self.out.is_empty() {
            if self.out.len() + " …".len() <= MAX_TEXT {
                self.cut = self.out.len();
            }
            self.out.push(' ');
        }
        self.out.push_str(text);
    }

    pub(super) fn finish(mut self) -> Fingerprint {
        while self.out.ends_with([';', ' ']) {
            self.out.pop();
        }
        let id = hash::stable(self.out.as_bytes());
        if self.out.len() > MAX_TEXT {
            self.out.truncate(self.cut);
            let _ = self.out.write_str(" …");
        }
        self.out.shrink_to_fit();
        Fingerprint { id, text: self.out }
    }
}

/// Looks at tokens, since one in a string or a comment says nothing.
fn has_backticks(sql: &str) -> bool {
    sql.contains('`')
        && Tokens::new(sql)
            .any(|token| token.is_ok_and(|token: Token<'_>| token.kind == Kind::Backtick))
}

fn starts_with_number(rest: &Tokens<'_>) -> bool {
    match rest.clone().next() {
        Some(Ok(Token {
            kind: Kind::Value,
            text,
        })) => text.starts_with(|first: char| first.is_ascii_digit() || first == '.'),
        _ => false,
    }
}

/// Letters, digits and underscores: what a schema's names look like and sentences don't.
fn is_plain_name(name: &str) -> bool {
    name.len() <= 63
        && name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
