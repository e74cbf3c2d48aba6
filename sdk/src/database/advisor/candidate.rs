//! What could be: the indexes that one access would like.
//!
//! Equality comes first, then the order or one range; of several equality columns each order is offered, since the lead
//! decides which other statements the index serves. What the text of the statement fixes may be the index's predicate
//! instead of a key of it.

use super::catalog::{Column, Kind, Table};
use crate::database::Engine;
use crate::database::ddl::{Key, On, Shape};
use crate::sql::access::{Access, Condition, Subject, Test};

/// More keys cost every write and narrow nothing.
const MAX_KEYS: usize = 5;
/// Of more equality keys only the most selective are worth a place.
const MAX_EQUALS: usize = 4;
/// What one access may ask for.
const MAX_SHAPES: usize = 36;
/// Of the rows, what a predicate may leave at the most.
pub(super) const PARTIAL: f64 = 0.35;
/// The share of rows without a value from which an index without them is offered.
const MOSTLY_NULL: f64 = 0.5;

/// A condition that the statement's text fixes, and the share of the rows that satisfy it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Fixed {
    pub(super) predicate: String,
    pub(super) share: f64,
}

/// What an access compares, by what an index can do with it.
#[derive(Debug, Default)]
struct Wishes {
    /// Equal to one value, the one with the most values first; with whether it may be one of several.
    equals: Vec<Wish>,
    joins: Vec<Wish>,
    ranges: Vec<Key>,
    order: Vec<Key>,
    groups: Vec<Key>,
}

#[derive(Debug, Clone, PartialEq)]
struct Wish {
    key: Key,
    distinct: f64,
    several: bool,
}

/// Returns shapes, the likeliest first; none that an index of the table serves already.
///
/// `fixed` are the conditions of this access that leave few rows.
pub(super) fn candidates(
    access: &Access,
    table: &Table,
    fixed: &[Fixed],
    engine: Engine,
) -> Vec<Shape> {
    let wishes = Wishes::of(access, table, engine);
    let mut found = Found {
        table,
        shapes: Vec::new(),
    };
    wishes.offer(&mut found, None);
    for shape in access.alternatives.iter().filter_map(|condition| {
        let key = key(condition, table, engine)?;
        Some(Shape::of(vec![key]))
    }) {
        found.add(shape);
    }
    let plain = found.shapes.len();
    let own = access
        .conditions
        .iter()
        .filter(|condition| condition.constant.is_some());
    let mut sets: Vec<Vec<&Fixed>> = Vec::new();
    let few: Vec<&Fixed> = fixed
        .iter()
        .filter(|fixed| {
            let said =
                |condition: &&Condition| condition.constant.as_ref() == Some(&fixed.predicate);
            fixed.share <= PARTIAL && own.clone().any(|condition| said(&condition))
        })
        .collect();
    sets.extend(few.iter().map(|fixed| vec![*fixed]));
    if few.len() > 1 {
        sets.push(few);
    }
    for set in sets {
        let inside: Vec<&Condition> = access
            .conditions
            .iter()
            .filter(|condition| {
                set.iter()
                    .any(|fixed| condition.constant.as_ref() == Some(&fixed.predicate))
            })
            .collect();
        let predicates: Vec<&str> = set.iter().map(|fixed| fixed.predicate.as_str()).collect();
        let rest = wishes.without(&inside);
        let partial = Partial {
            predicate: predicates.join(" AND "),
            stand_in: stand_in(table),
        };
        rest.offer(&mut found, Some(&partial));
    }
    // Where most rows have no value, those that have one are enough.
    let sparse: Vec<Shape> = found
        .shapes
        .iter()
        .take(plain)
        .filter_map(|shape| {
            let name = shape.keys.first()?.plain()?;
            let column = table.column(name)?;
            let compared = access.joins.iter().any(|join| join == name)
                || access.conditions.iter().any(|condition| {
                    condition.on == Subject::Column(name.to_owned())
                        && condition.test != Test::NotNull
                        && !condition.parameters.is_empty()
                });
            (compared && column.nulls >= MOSTLY_NULL).then(|| Shape {
                predicate: Some(format!(
                    "\"{}\" IS NOT NULL",
                    column.name.replace('"', "\"\"")
                )),
                ..shape.clone()
            })
        })
        .collect();
    for shape in sparse {
        found.add(shape);
    }
    found.shapes.truncate(MAX_SHAPES);
    found.shapes
}

/// What an index with a predicate begins with.
#[derive(Debug)]
struct Partial {
    predicate: String,
    /// The key of one that needs none.
    stand_in: Option<Key>,
}

#[derive(Debug)]
struct Found<'a> {
    table: &'a Table,
    shapes: Vec<Shape>,
}

impl Found<'_> {
    fn add(&mut self, mut shape: Shape) {
        let mut keys: Vec<Key> = Vec::new();
        for key in shape.keys {
            if !keys.iter().any(|present| present.on == key.on) {
                keys.push(key);
            }
        }
        keys.truncate(MAX_KEYS);
        shape.keys = keys;
        if !shape.keys.is_empty() && !self.shapes.contains(&shape) && !self.table.covers(&shape) {
            self.shapes.push(shape);
        }
    }

    fn keys(&mut self, lead: &[Key], rest: &[Key], partial: Option<&Partial>) {
        let mut keys = lead.to_vec();
        keys.extend_from_slice(rest);
        let predicate = partial.map(|partial| partial.predicate.clone());
        if keys.is_empty() {
            keys.extend(partial.and_then(|partial| partial.stand_in.clone()));
        }
        self.add(Shape {
            predicate,
            ..Shape::of(keys)
        });
    }
}

impl Wishes {
    fn of(access: &Access, table: &Table, engine: Engine) -> Self {
        let mut wishes = Self::default();
        for condition in &access.conditions {
            let Some(key) = key(condition, table, engine) else {
                continue;
            };
            match condition.test {
                Test::Equal | Test::Flag => wishes.equal(table, key, false),
                Test::OneOf => wishes.equal(table, key, true),
                Test::Range | Test::Like => wishes.ranges.push(key),
                Test::NotNull | Test::Match | Test::Contains(_) | Test::Other => {}
            }
        }
        // What was compared with another scope's column has no condition of its own.
        for name in &access.equals {
            let known = access
                .conditions
                .iter()
                .any(|condition| condition.columns.contains(name));
            if let Some(column) = sortable(table, name).filter(|_| !known) {
                wishes.equal(table, Key::column(&column.name), false);
            }
        }
        for name in &access.ranges {
            if let Some(column) = sortable(table, name) {
                wishes.ranges.push(Key::column(&column.name));
            }
        }
        for name in &access.joins {
            if let Some(column) = sortable(table, name) {
                wishes.joins.push(Wish {
                    key: Key::column(&column.name),
                    distinct: column.distinct,
                    several: false,
                });
            }
        }
        wishes.ranges.dedup();
        wishes
            .equals
            .sort_by(|one, other| other.distinct.total_cmp(&one.distinct));
        wishes.order = order(access, table);
        wishes.groups = access
            .groups
            .iter()
            .filter_map(|name| sortable(table, name))
            .map(|column| Key::column(&column.name))
            .collect();
        wishes
    }

    fn equal(&mut self, table: &Table, key: Key, several: bool) {
        let distinct = key
            .plain()
            .and_then(|name| table.column(name))
            .map_or(table.rows, |column| column.distinct);
        if !self.equals.iter().any(|wish| wish.key == key) {
            self.equals.push(Wish {
                key,
                distinct,
                several,
            });
        }
    }

    /// The same without what a predicate says already.
    fn without(&self, inside: &[&Condition]) -> Self {
        let said = |key: &Key| {
            inside
                .iter()
                .any(|condition| match (&condition.on, &key.on) {
                    (Subject::Column(one), On::Column(other))
                    | (Subject::Expression(one), On::Expression(other)) => {
                        one.eq_ignore_ascii_case(other)
                            && matches!(condition.test, Test::Equal | Test::Flag | Test::OneOf)
                    }
                    _ => false,
                })
        };
        let wishes = |wishes: &[Wish]| {
            let kept = wishes.iter().filter(|wish| !said(&wish.key));
            kept.cloned().collect()
        };
        let keys = |keys: &[Key]| keys.iter().filter(|key| !said(key)).cloned().collect();
        Self {
            equals: wishes(&self.equals),
            joins: wishes(&self.joins),
            ranges: keys(&self.ranges),
            order: keys(&self.order),
            groups: keys(&self.groups),
        }
    }

    fn offer(&self, found: &mut Found<'_>, partial: Option<&Partial>) {
        let single: Vec<Key> = self
            .equals
            .iter()
            .filter(|wish| !wish.several)
            .map(|wish| wish.key.clone())
            .take(MAX_EQUALS)
            .collect();
        let all: Vec<Key> = self
            .equals
            .iter()
            .map(|wish| wish.key.clone())
            .take(MAX_EQUALS)
            .collect();
        let mut leads = permutations(&single);
        if all.len() > single.len() {
            leads.extend(permutations(&all));
        }
        leads.retain(|lead| !self.is_blunt(lead));
        for join in &self.joins {
            for base in [&single, &Vec::new()] {
                let mut lead = vec![join.key.clone()];
                lead.extend(base.iter().cloned());
                leads.push(lead);
                let mut lead = base.clone();
                lead.push(join.key.clone());
                leads.push(lead);
            }
        }
        for lead in &leads {
            self.tails(found, lead, partial);
        }
        // Parts of them, for what the rest does not narrow.
        for wish in &self.equals {
            self.tails(found, std::slice::from_ref(&wish.key), partial);
        }
        if self.joins.len() > 1 {
            let joins: Vec<Key> = self.joins.iter().map(|wish| wish.key.clone()).collect();
            for lead in permutations(joins.get(..2).unwrap_or(&joins)) {
                found.keys(&lead, &[], partial);
            }
        }
        self.tails(found, &[], partial);
    }

    /// Whether a key that hardly tells rows apart stands before one that does.
    fn is_blunt(&self, lead: &[Key]) -> bool {
        let distinct = |key: &Key| {
            let known = self.equals.iter().find(|wish| wish.key == *key);
            known.map_or(f64::INFINITY, |wish| wish.distinct)
        };
        lead.windows(2).any(|pair| match pair {
            [one, other] => distinct(one) < 10.0 && distinct(other) > 20.0 * distinct(one),
            _ => false,
        })
    }

    /// A lead with each of what may follow it.
    fn tails(&self, found: &mut Found<'_>, lead: &[Key], partial: Option<&Partial>) {
        if !self.order.is_empty() {
            found.keys(lead, &self.order, partial);
        }
        for range in self.ranges.iter().take(3) {
            found.keys(lead, std::slice::from_ref(range), partial);
        }
        // Behind a look-up there are few rows to fold, in whatever order.
        if !self.groups.is_empty() && lead.is_empty() {
            found.keys(lead, &self.groups, partial);
        }
        if !lead.is_empty() || partial.is_some() {
            found.keys(lead, &[], partial);
        }
    }
}

/// The key that a condition would like; `None` where no ordered index serves it.
pub(super) fn key(condition: &Condition, table: &Table, engine: Engine) -> Option<Key> {
    // Whatever the text says, only what the table has can be in its index.
    if !condition
        .columns
        .iter()
        .all(|name| table.column(name).is_some())
    {
        return None;
    }
    let pattern = condition.test == Test::Like;
    match &condition.on {
        Subject::Column(name) => {
            let column = sortable(table, name)?;
            let class = match engine {
                Engine::Postgres => column.pattern_class,
                Engine::Sqlite => Some("COLLATE NOCASE"),
            };
            Some(Key {
                class: class.filter(|_| pattern),
                ..Key::column(&column.name)
            })
        }
        Subject::Expression(text) => {
            let class = match engine {
                Engine::Postgres => Some("text_pattern_ops"),
                Engine::Sqlite => Some("COLLATE NOCASE"),
            };
            Some(Key {
                class: class.filter(|_| pattern),
                ..Key::of(On::Expression(text.clone()))
            })
        }
        Subject::Nothing => None,
    }
}

fn sortable<'a>(table: &'a Table, name: &str) -> Option<&'a Column> {
    table
        .column(name)
        .filter(|column| column.sortable && column.kind != Kind::Jsonb)
}

/// The order as keys, without what has one value anyway; empty where an index can't give it.
fn order(access: &Access, table: &Table) -> Vec<Key> {
    let columns: Option<Vec<Key>> = access
        .order
        .iter()
        .filter(|order| {
            let one = |condition: &Condition| {
                condition.test == Test::Equal
                    && condition.on == Subject::Column(order.column.clone())
            };
            !access.conditions.iter().any(one)
        })
        .map(|order| {
            let column = sortable(table, &order.column)?;
            Some(Key {
                descending: order.descending,
                odd_nulls: order.odd_nulls,
                ..Key::column(&column.name)
            })
        })
        .collect();
    columns.unwrap_or_default()
}

/// A narrow column that every row has, for an index whose predicate says all.
fn stand_in(table: &Table) -> Option<Key> {
    let own = table.indexes.iter().find(|index| index.constraint);
    let name = own.and_then(|index| index.keys.first()?.plain().map(str::to_owned));
    let name = name.or_else(|| {
        let narrow = table.columns.iter().filter(|column| column.sortable);
        let narrow = narrow.min_by(|one, other| one.width.total_cmp(&other.width))?;
        Some(narrow.name.clone())
    });
    name.map(Key::column)
}

/// All orders of up to three keys; of more, each in the lead once.
fn permutations(keys: &[Key]) -> Vec<Vec<Key>> {
    match keys {
        [] => Vec::new(),
        [_] => vec![keys.to_vec()],
        _ => {
            let deep = keys.len() <= 3;
            let mut all = Vec::new();
            for (place, lead) in keys.iter().enumerate() {
                let mut rest = keys.to_vec();
                rest.remove(place);
                let rests = if deep {
                    permutations(&rest)
                } else {
                    vec![rest]
                };
                for rest in rests {
                    let mut keys = vec![lead.clone()];
                    keys.extend(rest);
                    all.push(keys);
                }
            }
            all
        }
    }
}

#[cfg(test)]
mod tests;
