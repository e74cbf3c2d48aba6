//! What no planner can be asked: indexes into documents and texts, those that a key's deletion needs, and those that nobody
//! needs any more.

use std::collections::{BTreeSet, HashMap};

use super::catalog::{ForeignKey, Index, Kind, Table};
use super::told::counted;
use super::{Drop, Engine, IndexPlan, Method, Proposal, SMALL, Served, Statement, Usage};
use crate::database::ddl::{self, Key, On, Shape};
use crate::database::identifier::quote_qualified;
use crate::sql::access::{Condition, Inside, Subject, Test, Write};

/// What must be left at most of a statement's cost.
const BAR: f64 = 0.5;
/// Cost of a statement that is left alone.
const LEAST_COST: f64 = 100.0;
/// The share of a table's rows that an index into documents may find at most.
const FEW: f64 = 0.1;
/// Seconds that a written row may cost for an index into documents, and for an ordered one.
const GIN_SECONDS: f64 = 100e-6;
const WRITE_SECONDS: f64 = 20e-6;
/// How much larger an index may be that makes another redundant.
const LARGER: f64 = 8.0;
/// How far deletions are followed from table to table.
const MAX_CASCADES: usize = 20;

/// How a table is read today.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Scan {
    pub(super) cost: f64,
    /// Rows that satisfy the conditions.
    pub(super) rows: f64,
    /// All of it is read.
    pub(super) whole: bool,
}

/// What the rules go by.
pub(super) struct Facts<'a> {
    pub(super) statements: &'a [Statement<'a>],
    pub(super) tables: &'a [Table],
    /// What statements cost today, where that is known.
    pub(super) costs: &'a [Option<f64>],
    /// How they read tables, by statement and table.
    pub(super) scans: &'a HashMap<(usize, usize), Scan>,
    /// The index into texts by three letters each can be made.
    pub(super) trigrams: bool,
    pub(super) engine: Engine,
}

impl Facts<'_> {
    /// Indexes into documents, arrays and texts.
    pub(super) fn inside(&self) -> Vec<Proposal> {
        let mut shapes: Vec<(usize, Shape, Vec<usize>)> = Vec::new();
        for (place, statement) in self.statements.iter().enumerate() {
            for (access, table) in statement.accesses.iter().zip(&statement.tables) {
                let Some((number, table)) = table.and_then(|at| Some((at, self.tables.get(at)?)))
                else {
                    continue;
                };
                for condition in access.conditions.iter().chain(&access.alternatives) {
                    let Some(shape) = self.gin(condition, table) else {
                        continue;
                    };
                    let there = shape.keys.first().is_some_and(|key| has_gin(table, key));
                    if table.rows < SMALL || there || !self.reads_all(place, number) {
                        continue;
                    }
                    let same = |known: &&mut (usize, Shape, Vec<usize>)| {
                        known.0 == number
                            && known.1.keys.first().map(|key| &key.on)
                                == shape.keys.first().map(|key| &key.on)
                    };
                    match shapes.iter_mut().find(same) {
                        Some((_, known, places)) => {
                            // The one that answers both is the one without a class.
                            if *known != shape {
                                known.clone_from(&Shape {
                                    keys: shape
                                        .keys
                                        .iter()
                                        .map(|key| Key::of(key.on.clone()))
                                        .collect(),
                                    ..shape.clone()
                                });
                            }
                            if !places.contains(&place) {
                                places.push(place);
                            }
                        }
                        None => shapes.push((number, shape, vec![place])),
                    }
                }
            }
        }
        shapes
            .into_iter()
            .filter_map(|(table, shape, places)| self.inner_proposal(table, shape, &places))
            .collect()
    }

    fn reads_all(&self, statement: usize, table: usize) -> bool {
        let Some(table_rows) = self.tables.get(table).map(|table| table.rows) else {
            return false;
        };
        self.scans.get(&(statement, table)).is_some_and(|scan| {
            scan.whole && scan.cost >= LEAST_COST && scan.rows <= FEW * table_rows
        })
    }

    fn gin(&self, condition: &Condition, table: &Table) -> Option<Shape> {
        if self.engine != Engine::Postgres {
            return None;
        }
        let (on, kind) = match &condition.on {
            Subject::Column(name) => {
                let column = table.column(name)?;
                (On::Column(column.name.clone()), column.kind)
            }
            Subject::Expression(text)
                if condition
                    .columns
                    .iter()
                    .all(|own| table.column(own).is_some()) =>
            {
                let search = text.to_ascii_lowercase().starts_with("to_tsvector(");
                let kind = if search { Kind::Search } else { Kind::Text };
                (On::Expression(text.clone()), kind)
            }
            Subject::Expression(_) | Subject::Nothing => return None,
        };
        let class = match (condition.test, kind) {
            (Test::Contains(Inside::Has), Kind::Jsonb) => Some("jsonb_path_ops"),
            (Test::Contains(Inside::Key), Kind::Jsonb)
            | (Test::Contains(Inside::Search), Kind::Search)
            | (Test::Contains(Inside::Has | Inside::Overlaps), Kind::Array) => None,
            (Test::Like | Test::Match, Kind::Text) if self.trigrams => Some("gin_trgm_ops"),
            _ => return None,
        };
        Some(Shape {
            method: ddl::Method::Gin,
            ..Shape::of(vec![Key {
                class,
                ..Key::of(on)
            }])
        })
    }

    fn inner_proposal(&self, number: usize, shape: Shape, places: &[usize]) -> Option<Proposal> {
        let table = self.tables.get(number)?;
        let (mut before, mut after, mut calls, mut saved) = (0.0, 0.0, 0.0, 0.0);
        let mut serves = Vec::new();
        for place in places {
            let (statement, cost) = (self.statements.get(*place)?, (*self.costs.get(*place)?)?);
            let scan = self.scans.get(&(*place, number))?;
            let then = (cost - scan.cost).max(0.0) + 20.0 + scan.rows.max(1.0) * 4.0;
            let factor = statement.bounded(then / cost.max(f64::MIN_POSITIVE));
            if factor > BAR || !statement.may_gain() {
                continue;
            }
            let rate = statement.subject.calls_per_second;
            (before, after, calls) = (before + cost * rate, after + then * rate, calls + rate);
            saved += statement.load() * (1.0 - factor);
            serves.push(served(statement, factor));
        }
        let charge = self.written(number, None) * GIN_SECONDS;
        if serves.is_empty() || saved < 2.0 * charge {
            return None;
        }
        let index = IndexPlan::of(self.engine, table.schema.as_deref(), &table.name, shape).ok()?;
        let calls = calls.max(f64::MIN_POSITIVE);
        Some(Proposal {
            reason: format!(
                "{} on {} ({}), which read all of it: no planner can be asked about an index of this kind before it is there",
                counted(serves.len()),
                table.name,
                index.shape.words().join(", "),
            ),
            table_rows: table.rows,
            method: Method::Ruled,
            serves,
            cost_before: before / calls,
            cost_after: after / calls,
            build_seconds: table.build_seconds(&index.shape),
            size_bytes: table.bytes * 0.3,
            index,
        })
    }

    /// Rows written to a table in a second; of updates those that change a column.
    fn written(&self, table: usize, column: Option<&str>) -> f64 {
        let rows = |statement: &Statement<'_>| {
            let writes = statement.of(table).any(|access| match &access.write {
                None | Some(Write::Delete) => false,
                Some(Write::Insert) => true,
                Some(Write::Update(columns)) => {
                    column.is_none_or(|column| columns.iter().any(|changed| changed == column))
                }
            });
            let rows = (statement.value_rows as f64).max(1.0);
            if writes {
                statement.subject.calls_per_second * rows
            } else {
                0.0
            }
        };
        self.statements.iter().map(rows).sum()
    }

    /// Indexes that the deletion of what is referred to needs: each row that goes is looked for in the tables that refer to it.
    pub(super) fn references(&self, proposed: &[Proposal]) -> Vec<Proposal> {
        let mut told: Vec<Proposal> = Vec::new();
        for (place, statement) in self.statements.iter().enumerate() {
            let mut open: Vec<usize> = Vec::new();
            for (access, table) in statement.accesses.iter().zip(&statement.tables) {
                if let (Some(table), Some(Write::Delete | Write::Update(_))) =
                    (table, &access.write)
                {
                    open.push(*table);
                }
            }
            let mut seen: BTreeSet<usize> = open.iter().copied().collect();
            while let Some(parent) = open.pop() {
                if seen.len() > MAX_CASCADES {
                    break;
                }
                for (number, child) in self.tables.iter().enumerate() {
                    for reference in &child.foreign_keys {
                        if !self.refers(reference, parent)
                            || !self.touches(statement, parent, reference)
                        {
                            continue;
                        }
                        if reference.cascades && seen.insert(number) {
                            open.push(number);
                        }
                        if let Some(found) = self.reference(place, number, reference, proposed)
                            && !told.iter().any(|known| known.index == found.index)
                        {
                            told.push(found);
                        }
                    }
                }
            }
        }
        told
    }

    fn refers(&self, reference: &ForeignKey, parent: usize) -> bool {
        self.tables.get(parent).is_some_and(|table| {
            table.is_named(
                reference.parent_schema.as_deref(),
                &reference.parent,
                self.engine,
            )
        })
    }

    /// Whether a statement takes away what is referred to: by deleting, or by changing the key.
    fn touches(&self, statement: &Statement<'_>, parent: usize, reference: &ForeignKey) -> bool {
        let direct: Vec<_> = statement
            .of(parent)
            .filter_map(|access| access.write.as_ref())
            .collect();
        // Where it isn't named, its rows go with those that they refer to.
        direct.is_empty()
            || direct.iter().any(|write| match write {
                Write::Delete => true,
                Write::Insert => false,
                Write::Update(columns) => columns
                    .iter()
                    .any(|changed| reference.parent_columns.contains(changed)),
            })
    }

    fn reference(
        &self,
        place: usize,
        number: usize,
        reference: &ForeignKey,
        proposed: &[Proposal],
    ) -> Option<Proposal> {
        let (statement, child) = (self.statements.get(place)?, self.tables.get(number)?);
        let columns: Vec<&str> = reference.columns.iter().map(String::as_str).collect();
        let there = child
            .indexes
            .iter()
            .any(|index| index.method == ddl::Method::Btree && leads(&index.keys, &columns))
            || proposed.iter().any(|known| {
                let shape = &known.index.shape;
                let narrowed = shape
                    .predicate
                    .as_ref()
                    .is_none_or(|predicate| predicate.ends_with("IS NOT NULL"));
                known.index.table == child.name && narrowed && leads(&shape.keys, &columns)
            });
        if there || child.rows < SMALL || !statement.may_gain() {
            return None;
        }
        // A page in order is the unit of cost, and a row a hundredth of it.
        let scan = child.bytes / 8_192.0 + child.rows * 0.0125;
        let cost = self.costs.get(place).copied().flatten().unwrap_or(10.0) + scan;
        let then = cost - scan + 8.0;
        let factor = statement.bounded(then / cost);
        let column = columns.first().copied();
        let charge = self.written(number, column) * WRITE_SECONDS;
        if factor > BAR || statement.load() * (1.0 - factor) < 2.0 * charge {
            return None;
        }
        let sparse = match columns.as_slice() {
            [column] => child.column(column).filter(|column| column.nulls >= 0.5),
            _ => None,
        };
        let shape = Shape {
            predicate: sparse
                .map(|column| format!("\"{}\" IS NOT NULL", column.name.replace('"', "\"\""))),
            ..Shape::of(columns.iter().map(|name| Key::column(*name)).collect())
        };
        let share = sparse.map_or(1.0, |column| 1.0 - column.nulls);
        let size_bytes = child.index_bytes(&shape, share, self.engine);
        let index = IndexPlan::of(self.engine, child.schema.as_deref(), &child.name, shape).ok()?;
        Some(Proposal {
            reason: format!(
                "each row that goes from {} is looked for in {} ({}), all of which is read for it; plans don't show that",
                reference.parent,
                child.name,
                columns.join(", "),
            ),
            table_rows: child.rows,
            method: Method::Ruled,
            serves: vec![served(statement, factor)],
            cost_before: cost,
            cost_after: then,
            build_seconds: child.build_seconds(&index.shape),
            size_bytes,
            index,
        })
    }

    /// Indexes that another one does for, or that nobody looks up.
    pub(super) fn drops(&self, usage: &Usage, used: &BTreeSet<String>) -> Vec<Drop> {
        let mut drops = Vec::new();
        for table in self.tables {
            let mut gone: BTreeSet<&str> = BTreeSet::new();
            // What does another's work is used from now on, whatever it was before.
            let mut kept: BTreeSet<&str> = BTreeSet::new();
            let loose: Vec<&Index> = table
                .indexes
                .iter()
                .filter(|index| {
                    let bound = index.unique || index.constraint;
                    !bound && !index.name.is_empty() && !index.key_texts.is_empty()
                })
                .collect();
            for index in &loose {
                let better = table.indexes.iter().find(|other| {
                    other.name != index.name
                        && !gone.contains(other.name.as_str())
                        && stands_in(other, index)
                });
                let Some(other) = better else { continue };
                let how = if other.key_texts.len() == index.key_texts.len() {
                    "has the same keys"
                } else {
                    "begins with its keys"
                };
                gone.insert(&index.name);
                kept.insert(&other.name);
                drops.extend(self.drop(table, index, &format!("{} {how}", other.name)));
            }
            for index in loose {
                let unchanged = usage.unchanged.get(&qualified(table, index));
                let unused = unchanged == Some(&index.scans.unwrap_or(0))
                    && !used.contains(&index.name)
                    && !gone.contains(index.name.as_str())
                    && !kept.contains(index.name.as_str())
                    && !self.supports_reference(table, index);
                if unused {
                    let why = "nobody has looked anything up in it for as long as was asked, and no plan of the \
                               statements uses it";
                    drops.extend(self.drop(table, index, why));
                }
            }
        }
        drops
    }

    fn drop(&self, table: &Table, index: &Index, why: &str) -> Option<Drop> {
        let name = quote_qualified(table.schema.as_deref(), &index.name).ok()?;
        let concurrently = match self.engine {
            Engine::Postgres => "CONCURRENTLY ",
            Engine::Sqlite => "",
        };
        Some(Drop {
            name: index.name.clone(),
            table: table.name.clone(),
            sql: format!("DROP INDEX {concurrently}{name}"),
            reason: format!("{} on {}: {why}", index.name, table.name),
            size_bytes: index.bytes,
        })
    }

    fn supports_reference(&self, table: &Table, index: &Index) -> bool {
        table.foreign_keys.iter().any(|reference| {
            let columns: Vec<&str> = reference.columns.iter().map(String::as_str).collect();
            leads(&index.keys, &columns)
        })
    }
}

/// An index's name with its schema, under which its look-ups are counted.
pub(super) fn qualified(table: &Table, index: &Index) -> String {
    match &table.schema {
        Some(schema) => format!("{schema}.{}", index.name),
        None => index.name.clone(),
    }
}

/// Whether `other` does all that `index` does.
fn stands_in(other: &Index, index: &Index) -> bool {
    let same = other.key_texts.len() == index.key_texts.len();
    let begins = other.key_texts.starts_with(&index.key_texts);
    let alike = other.method == index.method
        && other.predicate == index.predicate
        && begins
        && (index.method == ddl::Method::Btree || same);
    if !alike {
        return false;
    }
    if same {
        // Of two that are the same all over the first stays; a key's always does.
        return other.definition == index.definition && other.name < index.name
            || (other.constraint || other.unique) && !index.definition.contains("INCLUDE");
    }
    !index.definition.contains(" INCLUDE ") && other.bytes <= LARGER * index.bytes.max(65_536.0)
}

/// Whether keys begin with these columns, in any order.
fn leads(keys: &[Key], columns: &[&str]) -> bool {
    let first = keys.get(..columns.len());
    first.is_some_and(|first| {
        columns
            .iter()
            .all(|column| first.iter().any(|key| key.plain() == Some(*column)))
    })
}

fn has_gin(table: &Table, key: &Key) -> bool {
    let word = key.word().to_lowercase();
    table.indexes.iter().any(|index| {
        index.method == ddl::Method::Gin
            && index.key_texts.iter().any(|text| {
                text.trim_matches('"').to_lowercase() == word
                    || text
                        .replace(['"', ' '], "")
                        .to_lowercase()
                        .contains(&word.replace(['"', ' '], ""))
            })
    })
}

fn served(statement: &Statement<'_>, factor: f64) -> Served {
    Served {
        query: statement.subject.query,
        factor,
        plan_before: Vec::new(),
        plan_after: Vec::new(),
    }
}
