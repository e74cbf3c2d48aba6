//! Names that clients or data make, held to a length.

use std::borrow::Cow;

use super::hash::stable;

/// Takes a name of at most so many bytes as it is; of a longer one the beginning, and a hash, so that two of them stay two.
pub(crate) fn bounded(name: &str, bytes: usize) -> Cow<'_, str> {
    match name.get(..name.floor_char_boundary(bytes)) {
        Some(begin) if begin.len() < name.len() => {
            Cow::Owned(format!("{begin}…{:016x}", stable(name.as_bytes())))
        }
        _ => Cow::Borrowed(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_name_is_cut_and_stays_another_than_its_like() {
        assert_eq!(bounded("users", 5), "users");
        let [one, other] = ["a", "b"].map(|end| format!("{}{end}", "ä".repeat(5_000)));
        let (one, other) = (bounded(&one, 255), bounded(&other, 255));
        assert_ne!(one, other);
        for name in [one, other] {
            // The 255th byte is in the middle of a character.
            assert!(
                name.starts_with(&"ä".repeat(127)) && name.len() < 280,
                "{name}"
            );
        }
    }
}
