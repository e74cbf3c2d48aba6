//! The words of an attribute: values that several attributes read alike.

use std::time::Duration;

use syn::parse::ParseStream;
use syn::{Error, Expr, Lit, LitInt, LitStr, Result, Token};

/// Reads `= 300` or `= "5m"`.
pub(crate) fn ttl(input: ParseStream<'_>) -> Result<Duration> {
    input.parse::<Token![=]>()?;
    let literal: Lit = input.parse()?;
    let parsed = match &literal {
        Lit::Int(seconds) if seconds.suffix().is_empty() => {
            seconds.base10_parse().ok().map(Duration::from_secs)
        }
        Lit::Str(text) => span(&text.value()),
        _ => None,
    };
    parsed.filter(|ttl| !ttl.is_zero()).ok_or_else(|| {
        Error::new(literal.span(), "a ttl is whole seconds (300) or a text such as \"250ms\", \"90s\", \"5m\", \"1h\", \"1d\"")
    })
}

/// Reads `= 1000`.
pub(crate) fn count(input: ParseStream<'_>) -> Result<u64> {
    input.parse::<Token![=]>()?;
    input.parse::<LitInt>()?.base10_parse()
}

/// Reads `= "text"`.
pub(crate) fn text(input: ParseStream<'_>) -> Result<LitStr> {
    input.parse::<Token![=]>()?;
    input.parse()
}

/// Reads `= EXPR`.
pub(crate) fn expression(input: ParseStream<'_>) -> Result<Expr> {
    input.parse::<Token![=]>()?;
    input.parse()
}

/// Puts a value into its slot, once.
pub(crate) fn set<T>(slot: &mut Option<T>, word: &syn::Ident, value: T) -> Result<()> {
    if slot.is_some() {
        return Err(Error::new(
            word.span(),
            format!("`{word}` is given twice: leave one out"),
        ));
    }
    *slot = Some(value);
    Ok(())
}

/// `5m`, `1h30m`: numbers with units, added up.
fn span(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, tail) = rest.split_at(digits);
        let unit = tail
            .find(|c: char| c.is_ascii_digit() || c == ' ')
            .unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit);
        let number: u64 = number.parse().ok()?;
        let part = match unit {
            "ms" => Duration::from_millis(number),
            "s" => Duration::from_secs(number),
            "m" => Duration::from_secs(number.checked_mul(60)?),
            "h" => Duration::from_secs(number.checked_mul(60 * 60)?),
            "d" => Duration::from_secs(number.checked_mul(24 * 60 * 60)?),
            _ => return None,
        };
        total = total.checked_add(part)?;
        rest = tail.trim_start();
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_as_people_write_them() {
        for (text, expect) in [
            ("250ms", Some(Duration::from_millis(250))),
            ("90s", Some(Duration::from_secs(90))),
            ("5m", Some(Duration::from_secs(300))),
            ("1h 30m", Some(Duration::from_secs(5400))),
            ("1d", Some(Duration::from_secs(86_400))),
            ("5", None),
            ("m", None),
            ("5 m", None),
            ("5 weeks", None),
            ("99999999999999999999s", None),
        ] {
            assert_eq!(span(text), expect, "{text}");
        }
    }
}
