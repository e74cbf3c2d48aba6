//! The lexical grammar that PostgreSQL, SQLite and MySQL share, with their differences read so that no literal slips through.
//!
//! Where they disagree about where a literal or a comment ends, the text is [`Ambiguous`] and nothing of it is told.

/// What one token is; the text is the caller's slice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A keyword or a plain identifier.
    Word,
    /// `"..."`: an identifier, or where SQLite and MySQL are lenient, a string.
    Quoted,
    /// `` `...` ``: an identifier.
    Backtick,
    /// A string, number or parameter.
    Value,
    /// The mark of something left out; only our own texts have it.
    Ellipsis,
    /// One of `( ) [ ] , . ;`.
    Mark(u8),
    /// Any other operator, as one run.
    Operator,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind,
    pub(super) text: &'a str,
}

/// The text ends inside a literal or a comment, or its literals can be read in two ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ambiguous;

/// Reads tokens from left to right, each byte a constant number of times.
#[derive(Debug, Clone)]
pub(super) struct Tokens<'a> {
    text: &'a str,
    at: usize,
    /// Whether a word or value ended just before `at`, which tells `a.5` and `x1` from numbers.
    previous: Option<Kind>,
    /// Dollar-quote delimiters that have no second occurrence; each is searched for once, so that the whole stays linear.
    unclosed_dollar: bool,
    /// Whether the word `ESCAPE` ended just before `at`.
    behind_escape: bool,
}

impl<'a> Tokens<'a> {
    pub(super) const fn new(text: &'a str) -> Self {
        Self {
            text,
            at: 0,
            previous: None,
            unclosed_dollar: false,
            behind_escape: false,
        }
    }

    fn bytes(&self) -> &'a [u8] {
        self.text.as_bytes()
    }

    fn peek(&self, ahead: usize) -> u8 {
        self.bytes().get(self.at + ahead).copied().unwrap_or(0)
    }

    fn read(&mut self) -> Result<Option<Token<'a>>, Ambiguous> {
        self.skip_trivia()?;
        let start = self.at;
        if start >= self.bytes().len() {
            return Ok(None);
        }
        let byte = self.peek(0);
        let kind = match byte {
            0xe2 if self.is_ellipsis() => {
                self.at += '…'.len_utf8();
                Kind::Ellipsis
            }
            b'\'' => self.string(false)?,
            b'"' => self.quoted(b'"', Kind::Quoted)?,
            b'`' => self.quoted(b'`', Kind::Backtick)?,
            b'$' => self.dollar()?,
            b'?' => self.question(),
            b':' if self.peek(1) == b':' => {
                self.at += 2;
                Kind::Operator
            }
            b':' | b'@' if is_word(self.peek(1)) && !self.peek(1).is_ascii_digit() => {
                self.named_parameter()
            }
            b'0'..=b'9' => self.number()?,
            b'.' if self.peek(1).is_ascii_digit() && self.previous != Some(Kind::Word) => {
                self.number()?
            }
            b'(' | b')' | b'[' | b']' | b',' | b'.' | b';' => {
                self.at += 1;
                Kind::Mark(byte)
            }
            _ if is_word(byte) => self.word()?,
            0..=31 | 127 => return Err(Ambiguous),
            _ => self.operator()?,
        };
        self.previous = Some(kind);
        let text = self.text.get(start..self.at).unwrap_or_default();
        self.behind_escape = kind == Kind::Word && text.eq_ignore_ascii_case("ESCAPE");
        Ok(Some(Token { kind, text }))
    }

    fn is_ellipsis(&self) -> bool {
        let rest = self.text.get(self.at..);
        rest.is_some_and(|rest| rest.starts_with('…'))
    }

    fn skip_trivia(&mut self) -> Result<(), Ambiguous> {
        loop {
            match (self.peek(0), self.peek(1)) {
                (b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c, _) => self.at += 1,
                (b'-', b'-') => self.line_comment()?,
                (b'/', b'*') => self.block_comment()?,
                _ => return Ok(()),
            }
        }
    }

    /// PostgreSQL ends a line at `\r` too, SQLite doesn't: such a comment has no single reading. In MySQL a comment has a space
    /// behind its dashes; without one, what opens a string here may really open one.
    fn line_comment(&mut self) -> Result<(), Ambiguous> {
        let spaced = self.peek(2) <= b' ';
        while self.at < self.bytes().len() {
            match (self.peek(0), self.peek(1)) {
                (b'\n', _) => return Ok(()),
                (b'\'' | b'"', _) if !spaced => return Err(Ambiguous),
                (b'\r', next) if next != b'\n' && next != 0 => return Err(Ambiguous),
                _ => self.at += 1,
            }
        }
        Ok(())
    }

    /// PostgreSQL nests comments, SQLite doesn't: an opening inside one has no single reading.
    fn block_comment(&mut self) -> Result<(), Ambiguous> {
        self.at += 2;
        while self.at < self.bytes().len() {
            match (self.peek(0), self.peek(1)) {
                (b'*', b'/') => {
                    self.at += 2;
                    return Ok(());
                }
                (b'/', b'*') => return Err(Ambiguous),
                _ => self.at += 1,
            }
        }
        Err(Ambiguous)
    }

    /// Reads `'...'`. With `escapes` a backslash takes the next byte with it; without, one right before a quote would end
    /// the string in one dialect and not in another. Only `ESCAPE '\'` can't go on behind it.
    fn string(&mut self, escapes: bool) -> Result<Kind, Ambiguous> {
        self.at += 1;
        let start = self.at;
        while self.at < self.bytes().len() {
            match self.peek(0) {
                b'\\' if escapes => self.at += 2,
                b'\\'
                    if self.peek(1) == b'\''
                        && !(self.behind_escape && self.at == start && self.peek(2) != b'\'') =>
                {
                    return Err(Ambiguous);
                }
                b'\'' if self.peek(1) == b'\'' => self.at += 2,
                // A word right behind a string is more likely the inside of one that was opened too early.
                b'\'' if is_word(self.peek(1)) => return Err(Ambiguous),
                b'\'' => {
                    self.at += 1;
                    return Ok(Kind::Value);
                }
                _ => self.at += 1,
            }
        }
        Err(Ambiguous)
    }

    fn quoted(&mut self, quote: u8, kind: Kind) -> Result<Kind, Ambiguous> {
        self.at += 1;
        while self.at < self.bytes().len() {
            match (self.peek(0), self.peek(1)) {
                (byte, next) if byte == quote && next == quote => self.at += 2,
                (byte, next) if byte == quote && is_word(next) => return Err(Ambiguous),
                (byte, _) if byte == quote => {
                    self.at += 1;
                    return Ok(kind);
                }
                // Only a string would be written like this, and dialects differ on where it ends.
                (b'\\', next) if next == quote => return Err(Ambiguous),
                // No name has one, and in PostgreSQL a backtick is an operator.
                (b'\'' | b'"', _) if quote == b'`' => return Err(Ambiguous),
                _ => self.at += 1,
            }
        }
        Err(Ambiguous)
    }

    /// `$1`, `$name`, or `$tag$ ... $tag$`.
    fn dollar(&mut self) -> Result<Kind, Ambiguous> {
        let mut end = self.at + 1;
        while self
            .bytes()
            .get(end)
            .is_some_and(|byte| is_word(*byte) && *byte != b'$')
        {
            end += 1;
        }
        let tag_starts_as_number = self.peek(1).is_ascii_digit();
        if self.bytes().get(end) == Some(&b'$') && !tag_starts_as_number {
            let delimiter = self.text.get(self.at..=end).unwrap_or_default();
            let rest = self.text.get(end + 1..).unwrap_or_default();
            let Some(length) = (!self.unclosed_dollar)
                .then(|| rest.find(delimiter))
                .flatten()
            else {
                self.unclosed_dollar = true;
                return Err(Ambiguous);
            };
            self.at = end + 1 + length + delimiter.len();
            if is_word(self.peek(0)) {
                return Err(Ambiguous);
            }
        } else {
            self.at = end;
        }
        Ok(Kind::Value)
    }

    /// A parameter, or one of PostgreSQL's operators `?|` and `?&`.
    fn question(&mut self) -> Kind {
        self.at += 1;
        if matches!(self.peek(0), b'|' | b'&') {
            self.at += 1;
            return Kind::Operator;
        }
        while self.peek(0).is_ascii_digit() {
            self.at += 1;
        }
        Kind::Value
    }

    fn named_parameter(&mut self) -> Kind {
        self.at += 1;
        while is_word(self.peek(0)) {
            self.at += 1;
        }
        Kind::Value
    }

    /// A dollar behind a number may open a string.
    fn number(&mut self) -> Result<Kind, Ambiguous> {
        while is_word(self.peek(0)) || self.peek(0) == b'.' {
            if self.peek(0) == b'$' {
                return Err(Ambiguous);
            }
            let exponent =
                matches!(self.peek(0), b'e' | b'E') && matches!(self.peek(1), b'+' | b'-');
            self.at += if exponent { 2 } else { 1 };
        }
        Ok(Kind::Value)
    }

    fn word(&mut self) -> Result<Kind, Ambiguous> {
        let start = self.at;
        while is_word(self.peek(0)) {
            self.at += 1;
        }
        let word = self.bytes().get(start..self.at).unwrap_or_default();
        // `AS$$ x $$` is a mistake for a string, not a name.
        if word.iter().filter(|byte| **byte == b'$').count() > 1 {
            return Err(Ambiguous);
        }
        match (word, self.peek(0), self.peek(1)) {
            (b"e" | b"E", b'\'', _) => self.string(true),
            (b"b" | b"B" | b"x" | b"X" | b"n" | b"N", b'\'', _) => self.string(false),
            (b"u" | b"U", b'&', b'\'') => {
                self.at += 1;
                self.string(false)
            }
            (b"u" | b"U", b'&', b'"') => {
                self.at += 1;
                self.quoted(b'"', Kind::Quoted)
            }
            _ => Ok(Kind::Word),
        }
    }

    /// Reads a run of operator characters. As in PostgreSQL a sign at its end is a token of its own, so `=-1` is `= -1`,
    /// unless the run has a character that only operators have.
    fn operator(&mut self) -> Result<Kind, Ambiguous> {
        let start = self.at;
        self.at += 1;
        // A comment may follow an operator without a space.
        while is_operator(self.peek(0))
            && !matches!((self.peek(0), self.peek(1)), (b'-', b'-') | (b'/', b'*'))
        {
            self.at += 1;
        }
        let run = self.bytes().get(start..self.at).unwrap_or_default();
        if !run
            .iter()
            .any(|byte| matches!(byte, b'~' | b'!' | b'@' | b'#' | b'%' | b'^' | b'&' | b'|'))
        {
            let signs = run
                .iter()
                .rev()
                .take_while(|byte| matches!(byte, b'+' | b'-'))
                .count();
            self.at -= signs.min(run.len() - 1);
        }
        if run.contains(&b'#') && !(matches!(run, b"#>" | b"#>>" | b"#-") && self.path_follows()) {
            return Err(Ambiguous);
        }
        Ok(Kind::Operator)
    }

    /// Returns whether a path into a document is next, which PostgreSQL's operators with a `#` want: in MySQL that begins a
    /// comment, and what follows in the line is anything.
    fn path_follows(&self) -> bool {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let rest = rest.trim_start_matches(' ').as_bytes();
        match rest {
            [b'?', ..] => true,
            [b'$', digit, ..] => digit.is_ascii_digit(),
            // Within the line, or its end may be another string's beginning.
            [b'\'', rest @ ..] => {
                let end = rest.iter().find(|byte| matches!(byte, b'\'' | b'\n'));
                end == Some(&b'\'')
            }
            _ => rest
                .get(..6)
                .is_some_and(|word| word.eq_ignore_ascii_case(b"ARRAY[")),
        }
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Result<Token<'a>, Ambiguous>;

    fn next(&mut self) -> Option<Self::Item> {
        let read = self.read().transpose();
        if let Some(Err(_)) = read {
            // Nothing after this point can be trusted.
            self.at = self.text.len();
        }
        read
    }
}

/// Whether each byte can be part of a word.
const WORD: [bool; 256] = {
    let mut word = [false; 256];
    let mut byte = 0;
    while byte < word.len() {
        let it = byte as u8;
        word[byte] = it.is_ascii_alphanumeric() || it == b'_' || it == b'$' || it >= 0x80;
        byte += 1;
    }
    word
};

const fn is_word(byte: u8) -> bool {
    WORD[byte as usize]
}

const fn is_operator(byte: u8) -> bool {
    matches!(
        byte,
        b'+' | b'-'
            | b'*'
            | b'/'
            | b'<'
            | b'>'
            | b'='
            | b'~'
            | b'!'
            | b'@'
            | b'#'
            | b'%'
            | b'^'
            | b'&'
            | b'|'
    )
}
