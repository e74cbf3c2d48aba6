use unicode_width::UnicodeWidthChar;

/// Makes foreign text harmless, on one line and at most `limit` columns wide.
///
/// Everything that moves a terminal or hides from the eye is written out: C0, C1 and DEL as `\x1b`; bidirectional,
/// invisible and combining characters as `\u{202e}`. A text that is too wide ends in `…`.
pub(crate) fn printable(text: &str, limit: usize) -> String {
    let mut shown = String::new();
    let mut used = 0;
    for char in text.chars() {
        let before = shown.len();
        push(&mut shown, char);
        used += shown.get(before..).map_or(0, width);
        if used > limit {
            return fit(&shown, limit);
        }
    }
    shown
}

/// Cuts harmless text to `limit` columns, between words where there is a place for it, and ends it in `…`.
pub(crate) fn fit(text: &str, limit: usize) -> String {
    if width(text) <= limit {
        return text.to_owned();
    }
    let Some(room) = limit.checked_sub(1) else {
        return String::new();
    };
    let kept = prefix(text, room);
    let word = kept.rfind(' ').filter(|end| *end * 2 > kept.len());
    let kept = word.and_then(|end| kept.get(..end)).unwrap_or(kept);
    format!("{}…", kept.trim_end())
}

/// Cuts a harmless route to `limit` columns in its middle, since its method and its end tell it from others.
pub(crate) fn fit_route(route: &str, limit: usize) -> String {
    if width(route) <= limit {
        return route.to_owned();
    }
    let method = route.split_inclusive(' ').next().unwrap_or_default();
    let method = if width(method) * 2 < limit {
        method
    } else {
        ""
    };
    let Some(room) = limit.checked_sub(width(method) + 1) else {
        return String::new();
    };
    let tail = suffix(route, room);
    let part = tail.find('/').filter(|start| *start * 2 < tail.len());
    let tail = part.and_then(|start| tail.get(start..)).unwrap_or(tail);
    format!("{method}…{tail}")
}

/// Breaks harmless text into at most `lines` lines of `limit` columns, between words where it can.
pub(crate) fn wrap(text: &str, limit: usize, lines: usize) -> Vec<String> {
    let mut wrapped = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() && wrapped.len() < lines && limit > 0 {
        if wrapped.len() + 1 == lines || width(rest) <= limit {
            wrapped.push(fit(rest, limit));
            break;
        }
        let kept = prefix(rest, limit);
        let next = rest.get(kept.len()..).unwrap_or_default();
        let word = if next.starts_with(' ') {
            None
        } else {
            kept.rfind(' ').filter(|end| *end > 0)
        };
        let end = match word {
            Some(end) => end,
            // A word wider than the line is broken; the first character goes on even if it is too wide.
            None if kept.is_empty() => rest.chars().next().map_or(rest.len(), char::len_utf8),
            None => kept.len(),
        };
        let (line, next) = rest.split_at(end);
        wrapped.push(line.trim_end().to_owned());
        rest = next.trim_start();
    }
    wrapped
}

/// Returns how many columns harmless text takes.
pub(crate) fn width(text: &str) -> usize {
    text.chars().map(|char| char.width().unwrap_or(0)).sum()
}

fn prefix(text: &str, limit: usize) -> &str {
    let mut used = 0;
    for (start, char) in text.char_indices() {
        used += char.width().unwrap_or(0);
        if used > limit {
            return text.get(..start).unwrap_or_default();
        }
    }
    text
}

fn suffix(text: &str, limit: usize) -> &str {
    let mut used = 0;
    for (start, char) in text.char_indices().rev() {
        used += char.width().unwrap_or(0);
        if used > limit {
            let end = start + char.len_utf8();
            return text.get(end..).unwrap_or_default();
        }
    }
    text
}

fn push(shown: &mut String, char: char) {
    match char {
        '\n' => shown.push_str("\\n"),
        '\r' => shown.push_str("\\r"),
        '\t' => shown.push_str("\\t"),
        char if char.is_control() => shown.push_str(&format!("\\x{:02x}", u32::from(char))),
        char if is_hidden(char) => shown.push_str(&format!("\\u{{{:x}}}", u32::from(char))),
        char => shown.push(char),
    }
}

/// Tells whether a character has no place of its own, or changes that of others.
fn is_hidden(char: char) -> bool {
    matches!(char,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
        // Regional indicators join into flags, whose width terminals disagree about.
        | '\u{1f1e6}'..='\u{1f1ff}' | '\u{1f3fb}'..='\u{1f3ff}' | '\u{e0000}'..='\u{e0fff}')
        || char.width().unwrap_or(0) == 0
}
