use perfdeck_bridge::protocol::MetricRow;

use crate::format;

/// How a number's values are told: by the unit that the service said, or else by the one that its name ends in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Amount {
    /// Of something that nothing is known of.
    Plain,
    /// Of bytes, this many each.
    Bytes(f64),
    /// Of time, this many seconds each.
    Seconds(f64),
    Percent,
}

impl Amount {
    pub(crate) fn of(row: &MetricRow) -> Self {
        if let Some(unit) = &row.unit {
            return Self::of_unit(unit);
        }
        let name = row.name.split('{').next().unwrap_or_default();
        let name = name.strip_suffix("_total").unwrap_or(name);
        Self::of_unit(name.rsplit(['.', '_']).next().unwrap_or_default())
    }

    pub(crate) fn tell(self, value: f64) -> String {
        match self {
            Self::Plain => format::quantity(value),
            Self::Bytes(each) => format::bytes(value * each),
            Self::Seconds(each) => format::seconds(value * each),
            Self::Percent => format::share(value / 100.0),
        }
    }

    /// Tells how much a second.
    pub(crate) fn tell_rate(self, per_second: f64) -> String {
        match self {
            Self::Plain | Self::Percent => format::rate(per_second),
            Self::Bytes(_) | Self::Seconds(_) => format!("{}/s", self.tell(per_second)),
        }
    }

    fn of_unit(unit: &str) -> Self {
        match unit {
            "bytes" => Self::Bytes(1.0),
            "kibibytes" => Self::Bytes(1_024.0),
            "mebibytes" => Self::Bytes(1_048_576.0),
            "gibibytes" => Self::Bytes(1_073_741_824.0),
            "seconds" => Self::Seconds(1.0),
            "milliseconds" => Self::Seconds(1e-3),
            "microseconds" => Self::Seconds(1e-6),
            "nanoseconds" => Self::Seconds(1e-9),
            "percent" => Self::Percent,
            _ => Self::Plain,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_told_in_the_unit_of_the_number() {
        for (name, unit, told, rate) in [
            ("jobs", None, "1.50k", "1.50k/s"),
            ("jobs", Some("bytes"), "1.46KiB", "1.46KiB/s"),
            ("message.bytes", None, "1.46KiB", "1.46KiB/s"),
            ("sent_bytes_total", None, "1.46KiB", "1.46KiB/s"),
            ("wait_seconds{of=\"a_bytes\"}", None, "25m", "25m/s"),
            ("wait", Some("milliseconds"), "1.50s", "1.50s/s"),
            ("wait.seconds", Some("milliseconds"), "1.50s", "1.50s/s"),
            ("full", Some("percent"), "1500%", "1.50k/s"),
            ("full", Some("furlongs"), "1.50k", "1.50k/s"),
        ] {
            let amount = Amount::of(&MetricRow {
                name: name.to_owned(),
                unit: unit.map(str::to_owned),
                ..MetricRow::default()
            });
            let seen = (amount.tell(1_500.0), amount.tell_rate(1_500.0));
            assert_eq!(seen, (told.to_owned(), rate.to_owned()), "{name} {unit:?}");
        }
    }
}
