//! Amounts as a person types them, on the command line and on a screen.

/// Reads a size in bytes: `500000`, `64MiB`, `1.5 GiB`; units are powers of 1,024, whatever their spelling.
pub(crate) fn bytes(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.');
    let (number, unit) = text.split_at(end.unwrap_or(text.len()));
    let shift = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        _ => return Err("a size is a number of bytes, KiB, MiB or GiB".to_owned()),
    };
    let number: f64 = number.parse().map_err(|_| "it is no number".to_owned())?;
    let bytes = number * f64::from(1_u32 << shift);
    // Above, not every whole number is one of these.
    if bytes < 9e15 {
        Ok(bytes as u64)
    } else {
        Err("it is too large".to_owned())
    }
}

/// Reads a number of entries: `20000`, `20_000`, `20,000`.
pub(crate) fn entries(text: &str) -> Result<u64, String> {
    let digits: String = text
        .trim()
        .chars()
        .filter(|c| !matches!(c, '_' | ','))
        .collect();
    digits.parse().map_err(|_| "it is no number".to_owned())
}

/// Reads a time to live in whole seconds: `90s`, `5m`, `1h 30m`, `300`.
pub(crate) fn ttl(text: &str) -> Result<u32, String> {
    let text = text.trim();
    if let Ok(seconds) = text.parse() {
        return Ok(seconds);
    }
    let time = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if time.subsec_nanos() > 0 {
        return Err("a time to live is in whole seconds".to_owned());
    }
    u32::try_from(time.as_secs()).map_err(|_| "it is too long".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_they_are_written() {
        for (text, expected) in [
            ("0", 0),
            ("500000", 500_000),
            ("64MiB", 64 << 20),
            ("64 mb", 64 << 20),
            ("1.5GiB", 3 << 29),
            ("2k", 2_048),
        ] {
            assert_eq!(bytes(text), Ok(expected), "{text}");
        }
        for text in [
            "",
            "MiB",
            "-1",
            "1.2.3",
            "5 TiB",
            "1e9",
            "99999999999999999999",
            "inf",
        ] {
            assert!(bytes(text).is_err(), "{text}");
        }
    }

    #[test]
    fn entries_and_times_are_read_as_they_are_written() {
        assert_eq!(entries("20_000"), Ok(20_000));
        assert_eq!(entries(" 20,000 "), Ok(20_000));
        assert!(entries("20 k").is_err() && entries("").is_err() && entries("-3").is_err());
        for (text, expected) in [("300", 300), ("90s", 90), ("5m", 300), ("1h 30m", 5_400)] {
            assert_eq!(ttl(text), Ok(expected), "{text}");
        }
        for text in ["", "soon", "1500ms", "200years", "-5m"] {
            assert!(ttl(text).is_err(), "{text}");
        }
    }
}
