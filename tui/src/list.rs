//! The part of a table that lasts: what is selected, filtered and sorted.

use std::borrow::Cow;
use std::cmp::Ordering;

use crate::keymap::Action;

/// Something that a list can hold.
pub(crate) trait Row: Sized + 'static {
    /// The orders that can be chosen; the host's own comes before them.
    const SORTS: &'static [Sort<Self>];

    /// Returns what stays the same from one state to the next.
    fn id(&self) -> Cow<'_, str>;

    /// Tells whether the row holds a text; `needle` is in lower case.
    fn holds(&self, needle: &str) -> bool;
}

/// An order of rows, named by its column's title.
#[derive(Debug)]
pub(crate) struct Sort<R> {
    pub(crate) title: &'static str,
    pub(crate) compare: fn(&R, &R) -> Ordering,
}

/// Selection, filter and order of one table.
///
/// The selection is a row's id, so that it stays on its row while rows come, go and change places. Until somebody moves it, it is
/// on the first row, whichever that is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct List {
    selected: Option<String>,
    place: usize,
    filter: String,
    sort: usize,
}

impl List {
    /// Returns the rows that pass the filter, in order.
    pub(crate) fn shown<'a, R: Row>(&self, rows: &'a [R]) -> Vec<&'a R> {
        let needle = self.filter.to_lowercase();
        let mut shown: Vec<&R> = rows
            .iter()
            .filter(|row| needle.is_empty() || row.holds(&needle))
            .collect();
        if let Some(sort) = self.order::<R>() {
            shown.sort_by(|a, b| (sort.compare)(a, b));
        }
        shown
    }

    /// Returns where the selection is among the shown rows.
    pub(crate) fn place<R: Row>(&self, shown: &[&R]) -> Option<usize> {
        let last = shown.len().checked_sub(1)?;
        let Some(selected) = &self.selected else {
            return Some(0);
        };
        let found = shown.iter().position(|row| row.id() == selected.as_str());
        Some(found.unwrap_or(self.place).min(last))
    }

    /// Returns the selected row.
    pub(crate) fn row<'a, R: Row>(&self, rows: &'a [R]) -> Option<&'a R> {
        let shown = self.shown(rows);
        self.place(&shown)
            .and_then(|place| shown.get(place).copied())
    }

    /// Selects a row by its id.
    pub(crate) fn select(&mut self, id: impl Into<String>) {
        self.selected = Some(id.into());
    }

    /// Returns the text that rows must hold.
    pub(crate) fn filter(&self) -> &str {
        &self.filter
    }

    /// Returns the text that rows must hold, to edit it.
    pub(crate) const fn filter_mut(&mut self) -> &mut String {
        &mut self.filter
    }

    /// Returns the chosen order; `None` for the host's own.
    pub(crate) fn order<R: Row>(&self) -> Option<&'static Sort<R>> {
        self.sort
            .checked_sub(1)
            .and_then(|chosen| R::SORTS.get(chosen))
    }

    /// Moves or sorts, and tells whether the action was one of these.
    pub(crate) fn on_action<R: Row>(&mut self, action: Action, rows: &[R]) -> bool {
        let shown = self.shown(rows);
        let place = self.place(&shown).unwrap_or(0);
        let to = match action {
            Action::Down => place + 1,
            Action::Up => place.saturating_sub(1),
            Action::PageDown => place + 10,
            Action::PageUp => place.saturating_sub(10),
            Action::Top => 0,
            Action::Bottom => usize::MAX,
            Action::Sort => {
                self.sort = (self.sort + 1) % (R::SORTS.len() + 1);
                return true;
            }
            _ => return false,
        };
        let to = to.min(shown.len().saturating_sub(1));
        if let Some(row) = shown.get(to) {
            self.selected = Some(row.id().into_owned());
            self.place = to;
        }
        true
    }
}

/// Orders numbers from the largest; what is no number comes last.
pub(crate) fn falling(a: f64, b: f64) -> Ordering {
    let known = |value: f64| {
        if value.is_nan() {
            f64::NEG_INFINITY
        } else {
            value
        }
    };
    known(b).total_cmp(&known(a))
}

/// Tells whether a text holds a needle in lower case.
pub(crate) fn holds(text: &str, needle: &str) -> bool {
    text.to_lowercase().contains(needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fruit(&'static str, f64);

    impl Row for Fruit {
        const SORTS: &'static [Sort<Self>] = &[Sort {
            title: "weight",
            compare: |a, b| falling(a.1, b.1),
        }];

        fn id(&self) -> Cow<'_, str> {
            self.0.into()
        }

        fn holds(&self, needle: &str) -> bool {
            holds(self.0, needle)
        }
    }

    fn selected(list: &List, rows: &[Fruit]) -> &'static str {
        list.row(rows).map_or("", |row| row.0)
    }

    #[test]
    fn the_selection_stays_on_its_row() {
        let mut list = List::default();
        let rows = [Fruit("apple", 1.0), Fruit("pear", 2.0), Fruit("plum", 3.0)];
        list.on_action(Action::Down, &rows);
        assert_eq!(selected(&list, &rows), "pear");
        let moved = [Fruit("plum", 3.0), Fruit("apple", 1.0), Fruit("pear", 2.0)];
        assert_eq!(selected(&list, &moved), "pear");
    }

    #[test]
    fn an_unmoved_selection_is_on_the_first_row() {
        let list = List::default();
        assert_eq!(selected(&list, &[Fruit("apple", 1.0)]), "apple");
        assert_eq!(
            selected(&list, &[Fruit("pear", 1.0), Fruit("apple", 1.0)]),
            "pear"
        );
        assert_eq!(selected(&list, &[]), "");
    }

    #[test]
    fn a_vanished_row_leaves_the_selection_at_its_place() {
        let mut list = List::default();
        let rows = [Fruit("apple", 1.0), Fruit("pear", 2.0), Fruit("plum", 3.0)];
        list.on_action(Action::Bottom, &rows);
        assert_eq!(
            selected(&list, &[Fruit("apple", 1.0), Fruit("pear", 2.0)]),
            "pear"
        );
    }

    #[test]
    fn rows_are_filtered_and_sorted() {
        let mut list = List::default();
        let rows = [
            Fruit("apple", 1.0),
            Fruit("Pear", 2.0),
            Fruit("plum", f64::NAN),
        ];
        list.on_action(Action::Sort, &rows);
        let shown: Vec<_> = list.shown(&rows).iter().map(|row| row.0).collect();
        assert_eq!(shown, ["Pear", "apple", "plum"]);
        list.filter_mut().push_str("PEA");
        assert_eq!(selected(&list, &rows), "Pear");
        assert!(!list.on_action(Action::Open, &rows));
    }
}
