//! Where the fields of sqlx's events stand: their names are compared once a callsite, and never in an event.

use std::sync::OnceLock;

use tracing::Metadata;

/// Callsites that are remembered: sqlx has one a level.
const REMEMBERED: usize = 5;
/// The place of a field that an event has not.
const NOWHERE: u8 = u8::MAX;

/// The places of the fields of one callsite's events.
#[derive(Debug, Clone, Copy)]
pub(super) struct Columns {
    pub(super) summary: u8,
    pub(super) statement: u8,
    pub(super) rows_returned: u8,
    pub(super) elapsed_seconds: u8,
    /// Whether its events tell of slow statements.
    pub(super) slow: bool,
}

/// The callsites that were met, in that order.
#[derive(Debug)]
pub(super) struct Callsites([OnceLock<Callsite>; REMEMBERED]);

#[derive(Debug)]
struct Callsite {
    metadata: &'static Metadata<'static>,
    columns: Columns,
}

impl Callsites {
    pub(super) const fn new() -> Self {
        Self([const { OnceLock::new() }; REMEMBERED])
    }

    /// Finds the places of an event's fields.
    #[inline]
    pub(super) fn of(&self, metadata: &'static Metadata<'static>) -> Columns {
        let is_it = |callsite: &Callsite| std::ptr::eq(callsite.metadata, metadata);
        match self.0.first().and_then(OnceLock::get) {
            Some(first) if is_it(first) => first.columns,
            _ => self.search(metadata),
        }
    }

    #[cold]
    fn search(&self, metadata: &'static Metadata<'static>) -> Columns {
        let callsite = || Callsite {
            metadata,
            columns: Columns::of(metadata),
        };
        self.0
            .iter()
            .map(|place| place.get_or_init(callsite))
            .find(|known| std::ptr::eq(known.metadata, metadata))
            .map_or_else(|| Columns::of(metadata), |known| known.columns)
    }
}

impl Columns {
    fn of(metadata: &Metadata<'_>) -> Self {
        let place = |name| {
            let field = metadata.fields().field(name);
            field.map_or(NOWHERE, |field| {
                u8::try_from(field.index()).unwrap_or(NOWHERE)
            })
        };
        Self {
            summary: place("summary"),
            statement: place("db.statement"),
            rows_returned: place("rows_returned"),
            elapsed_seconds: place("elapsed_secs"),
            slow: place("slow_threshold") != NOWHERE,
        }
    }
}
