//! After the choice: what serves nobody goes, two that one could replace are one, and what would spare the table's rows
//! carries them.

use std::collections::BTreeSet;

use super::{Planner, Search};
use crate::database::Engine;
use crate::database::advisor::{Candidate, IndexPlan};
use crate::database::ddl::{Key, Method, Shape};
use crate::sql::access::Write;

/// What a statement may lose when one index does for two.
const NEARLY: f64 = 1.15;
/// The same when a key of an index goes.
const AS_WELL: f64 = 1.1;
/// What somebody must lose without an index that stays.
const NEEDED: f64 = 1.12;
/// The same where costs are our own count of rows, as on SQLite.
const COUNTED_NEEDED: f64 = 1.6;
/// What must be left at most of a statement's cost for an index to carry columns along, and the cost that it must save.
const CARRIED: f64 = 0.7;
const CARRIED_CUT: f64 = 60.0;
/// Columns that an index carries along, and their bytes.
const MAX_CARRIED: usize = 3;
const MAX_CARRIED_BYTES: f64 = 32.0;
/// Others that are tried in an index's place.
const MAX_TRIED: usize = 12;

impl<P: Planner> Search<'_, P> {
    /// Takes out what nobody misses, those with the least worth first.
    pub(super) async fn remove(&mut self) -> Result<(), sqlx::Error> {
        for id in self.order.clone().into_iter().rev() {
            if self.is_late(0.95) {
                break;
            }
            let mut without = self.chosen.clone();
            without.remove(&id);
            let own = BTreeSet::from([id]);
            let (loss, worst) = self.loss(&own, &without).await?;
            // What others do better by now leaves it to those who may be too few.
            let pays = self.pays(&own, &without).await?;
            let needed = match self.engine {
                Engine::Postgres => NEEDED,
                Engine::Sqlite => COUNTED_NEEDED,
            };
            if worst < needed || loss < self.price(id) || !pays {
                self.replace(&own, None).await?;
            }
        }
        Ok(())
    }

    /// Takes keys out of indexes that do nearly as well without.
    pub(super) async fn narrow(&mut self) -> Result<(), sqlx::Error> {
        let mut open: Vec<usize> = self.order.clone();
        while let Some(id) = open.pop() {
            let keys = self
                .candidates
                .get(id)
                .map_or(0, |candidate| candidate.index.shape.keys.len());
            if keys < 2 || self.is_late(0.85) || !self.chosen.contains(&id) {
                continue;
            }
            for place in (0..keys).rev() {
                let Some(narrower) = self.narrower(id, place) else {
                    continue;
                };
                let narrower = self.take(narrower);
                let own = BTreeSet::from([id]);
                let mut set = self.chosen.clone();
                set.remove(&id);
                set.insert(narrower);
                let (loss, worst) = self.loss(&own, &set).await?;
                let orders = self.bonus(id) <= self.bonus(narrower);
                let spared = (self.price(id) - self.price(narrower)).max(0.0);
                if orders && worst <= AS_WELL && loss <= 0.06 + spared {
                    self.replace(&own, Some(narrower)).await?;
                    open.push(narrower);
                    break;
                }
            }
        }
        Ok(())
    }

    fn narrower(&self, id: usize, place: usize) -> Option<Candidate> {
        let candidate = self.candidates.get(id)?;
        let mut shape = candidate.index.shape.clone();
        shape.keys.remove(place);
        let covered = self.tables.get(candidate.table)?.covers(&shape);
        if covered {
            return None;
        }
        self.like(candidate, shape)
    }

    /// What statements lose with another set, together and at most.
    async fn loss(
        &mut self,
        of: &BTreeSet<usize>,
        set: &BTreeSet<usize>,
    ) -> Result<(f64, f64), sqlx::Error> {
        let (mut loss, mut worst) = (0.0, 1.0_f64);
        for statement in self.wanted_by(of) {
            let Some(planned) = self.planned(statement, set).await? else {
                continue;
            };
            if let Some(value) = self.value(statement, &planned.costs) {
                loss -= value.log * self.weight(statement);
                worst = worst.max(value.felt);
            }
        }
        Ok((loss, worst))
    }

    /// Replaces two of one table by one that has the keys of both, where nobody loses much.
    pub(super) async fn merge(&mut self) -> Result<(), sqlx::Error> {
        let mut pairs = Vec::new();
        for one in &self.order {
            for other in self.order.iter().filter(|other| *other != one) {
                pairs.push((*one, *other));
            }
        }
        for (one, other) in pairs {
            if !self.chosen.contains(&one) || !self.chosen.contains(&other) || self.is_late(0.9) {
                continue;
            }
            let Some(merged) = self.merged(one, other) else {
                continue;
            };
            let id = self.take(merged);
            let both = BTreeSet::from([one, other]);
            let mut set: BTreeSet<usize> = self.chosen.difference(&both).copied().collect();
            set.insert(id);
            let (loss, worst) = self.loss(&both, &set).await?;
            // Who reads the first rows in order would read them all.
            let orders = self.bonus(one).max(self.bonus(other)) <= self.bonus(id);
            let spared = self.price(one) + self.price(other) - self.price(id);
            if orders && worst <= NEARLY && loss < spared {
                self.replace(&both, Some(id)).await?;
            }
        }
        Ok(())
    }

    fn merged(&self, one: usize, other: usize) -> Option<Candidate> {
        let (one, other) = (self.candidates.get(one)?, self.candidates.get(other)?);
        let (first, second) = (&one.index.shape, &other.index.shape);
        let plain = one.table == other.table
            && first.method == Method::Btree
            && second.method == Method::Btree
            && first.predicate == second.predicate;
        if !plain {
            return None;
        }
        let mut keys: Vec<Key> = first.keys.clone();
        for key in &second.keys {
            if !keys.iter().any(|present| present.on == key.on) {
                keys.push(key.clone());
            }
        }
        if keys.len() > 4 || keys.len() == first.keys.len() && first.include.is_empty() {
            return None;
        }
        self.like(
            one,
            Shape {
                keys,
                include: Vec::new(),
                ..first.clone()
            },
        )
    }

    /// Puts a cheaper one in an index's place, where those who miss it do nearly as well with that.
    pub(super) async fn swap(&mut self) -> Result<(), sqlx::Error> {
        for id in self.order.clone() {
            let own = BTreeSet::from([id]);
            let mut without = self.chosen.clone();
            without.remove(&id);
            let mut missed = BTreeSet::new();
            for statement in self.wanted_by(&own) {
                if let Some(planned) = self.planned(statement, &without).await?
                    && let Some(value) = self.value(statement, &planned.costs)
                    && value.felt > AS_WELL
                {
                    missed.insert(statement);
                }
            }
            let table = self.candidates.get(id).map(|candidate| candidate.table);
            let price = self.price(id);
            let mut others: Vec<(f64, usize)> = (0..self.candidates.len())
                .filter(|other| {
                    !self.chosen.contains(other)
                        && !self.broken.contains(other)
                        && self.candidates.get(*other).map(|known| known.table) == table
                        && self
                            .wanted
                            .get(*other)
                            .is_some_and(|wanted| missed.is_subset(wanted))
                })
                .map(|other| (self.price(other), other))
                .filter(|(cheaper, _)| *cheaper < price - 0.01)
                .collect();
            others.sort_by(|one, other| one.0.total_cmp(&other.0));
            let mut best: Option<(f64, usize)> = None;
            for (cheaper, other) in others.into_iter().take(MAX_TRIED) {
                if self.is_late(0.88) {
                    return Ok(());
                }
                let mut set = without.clone();
                set.insert(other);
                let both = BTreeSet::from([id, other]);
                let (loss, worst) = self.loss(&both, &set).await?;
                let orders = self.bonus(id) <= self.bonus(other);
                let won = price - cheaper - loss;
                if orders && worst <= NEARLY && won > best.map_or(0.005, |(known, _)| known) {
                    best = Some((won, other));
                }
            }
            if let Some((_, other)) = best {
                self.replace(&own, Some(other)).await?;
            }
        }
        Ok(())
    }

    /// Whether statements change a column.
    fn is_changed(&self, table: usize, column: &str) -> bool {
        self.statements.iter().any(|statement| {
            statement.of(table).any(|access| match &access.write {
                Some(Write::Update(columns)) => {
                    columns.iter().any(|own| own.eq_ignore_ascii_case(column))
                }
                _ => false,
            })
        })
    }

    /// Lets indexes carry what their statements read beside their keys, where that spares many rows of the table.
    pub(super) async fn widen(&mut self) -> Result<(), sqlx::Error> {
        for id in self.order.clone() {
            if self.is_late(0.93) {
                break;
            }
            let Some(wide) = self.wider(id) else { continue };
            let wider = self.take(wide);
            let own = BTreeSet::from([id]);
            let mut set = self.chosen.clone();
            set.remove(&id);
            set.insert(wider);
            let (mut won, mut anybody) = (0.0, false);
            for statement in self.wanted_by(&own) {
                let Some(planned) = self.planned(statement, &set).await? else {
                    continue;
                };
                if let Some(value) = self.value(statement, &planned.costs) {
                    won += value.log * self.weight(statement);
                    anybody |= value.left <= CARRIED && value.cut >= CARRIED_CUT;
                }
            }
            if anybody && won > 2.0 * (self.price(wider) - self.price(id)) {
                self.replace(&own, Some(wider)).await?;
            }
        }
        Ok(())
    }

    /// The same index with the columns of the costliest statement that would need nothing else then.
    fn wider(&self, id: usize) -> Option<Candidate> {
        let candidate = self.candidates.get(id)?;
        let shape = &candidate.index.shape;
        let table = self.tables.get(candidate.table)?;
        // An index of SQLite's carries nothing along that is no key of it.
        if shape.method != Method::Btree
            || !shape.include.is_empty()
            || self.engine == Engine::Sqlite
        {
            return None;
        }
        let mut best: Option<(f64, Vec<String>)> = None;
        for place in self.wanted.get(id)? {
            let Some(now) = self.now.get(*place).and_then(Option::as_ref) else {
                continue;
            };
            if !now.uses.contains(&id) || now.mean() < 2.0 * CARRIED_CUT {
                continue;
            }
            let statement = self.statements.get(*place)?;
            let own = statement.accesses.iter().zip(&statement.tables);
            let mut own = own.filter(|(_, table)| **table == Some(candidate.table));
            let (Some((access, _)), None) = (own.next(), own.next()) else {
                continue;
            };
            if access.whole || access.write.is_some() {
                continue;
            }
            let carried: Vec<String> = access
                .reads
                .iter()
                .filter_map(|name| table.column(name))
                .filter(|column| {
                    let is_key = |key: &Key| key.plain() == Some(column.name.as_str());
                    !shape.keys.iter().any(is_key)
                })
                .map(|column| column.name.clone())
                .collect();
            let width: f64 = carried
                .iter()
                .filter_map(|name| table.column(name))
                .map(|column| column.width)
                .sum();
            let changed = carried
                .iter()
                .any(|name| self.is_changed(candidate.table, name));
            let fits = !carried.is_empty()
                && !changed
                && carried.len() <= MAX_CARRIED
                && width <= MAX_CARRIED_BYTES;
            if fits && best.as_ref().is_none_or(|(cost, _)| *cost < now.mean()) {
                best = Some((now.mean(), carried));
            }
        }
        let (_, columns) = best?;
        let wide = Shape {
            include: columns,
            ..shape.clone()
        };
        self.like(candidate, wide)
    }

    fn like(&self, candidate: &Candidate, shape: Shape) -> Option<Candidate> {
        let index = &candidate.index;
        let index = IndexPlan::of(self.engine, index.schema.as_deref(), &index.table, shape);
        Some(Candidate {
            index: index.ok()?,
            ..candidate.clone()
        })
    }

    async fn replace(
        &mut self,
        gone: &BTreeSet<usize>,
        come: Option<usize>,
    ) -> Result<(), sqlx::Error> {
        let place = self.order.iter().position(|id| gone.contains(id));
        self.order.retain(|id| !gone.contains(id));
        self.chosen.retain(|id| !gone.contains(id));
        let mut touched = gone.clone();
        if let Some(come) = come {
            self.chosen.insert(come);
            let place = place.unwrap_or(self.order.len()).min(self.order.len());
            self.order.insert(place, come);
            touched.insert(come);
        }
        self.refresh(&touched).await
    }
}
