//! The few indexes that pay, for all statements together: greedy over what the planner says of each set, then without what
//! turns out to serve nobody, merged where one does for two, and widened where that spares the table.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use tokio::time::Instant;

use super::catalog::Table;
use super::{Candidate, Engine, Statement};
use crate::database::ddl::Shape;

mod refine;
mod worth;

use worth::{Value, gain};

/// Sets that the planner's answers are kept for.
const MAX_KNOWN: usize = 60_000;
/// Candidates of one statement that are tried all at once.
const TOGETHER: usize = 30;
/// What a set must leave of the best single's cost to be tried as one.
const BUNDLE: f64 = 0.85;
/// Indexes that one round proposes.
const MAX_CHOSEN: usize = 60;

/// Asks what statements cost with indexes that don't exist.
pub(super) trait Planner: Send {
    /// Lets the planner see a candidate; returns whether that can be made at all.
    fn show(
        &mut self,
        id: usize,
        candidate: &Candidate,
    ) -> impl Future<Output = Result<bool, sqlx::Error>> + Send;

    /// Hides it again.
    fn hide(
        &mut self,
        id: usize,
        candidate: &Candidate,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send;

    /// Plans a statement with what is shown; `None` where it can't be planned.
    fn plan(
        &mut self,
        statement: usize,
    ) -> impl Future<Output = Result<Option<Planned>, sqlx::Error>> + Send;
}

/// What the planner says of one statement.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Planned {
    /// The cost for each sample of its arguments.
    pub(super) costs: Vec<f64>,
    /// The candidates that are used for any of them.
    pub(super) uses: BTreeSet<usize>,
    /// Rows that one call writes.
    pub(super) rows: f64,
}

impl Planned {
    pub(super) fn mean(&self) -> f64 {
        self.costs.iter().sum::<f64>() / self.costs.len().max(1) as f64
    }
}

/// What was found.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) candidates: Vec<Candidate>,
    /// The candidates to make, the most valuable first.
    pub(super) chosen: Vec<usize>,
    /// Each statement without any of them, and with all.
    pub(super) before: Vec<Option<Planned>>,
    pub(super) after: Vec<Option<Planned>>,
}

pub(super) struct Search<'a, P> {
    planner: &'a mut P,
    statements: &'a [Statement<'a>],
    tables: &'a [Table],
    engine: Engine,
    candidates: Vec<Candidate>,
    /// The statements that could use each.
    wanted: Vec<BTreeSet<usize>>,
    shown: BTreeSet<usize>,
    broken: BTreeSet<usize>,
    known: HashMap<(usize, Vec<usize>), Option<Planned>>,
    deadline: Instant,
    before: Vec<Option<Planned>>,
    now: Vec<Option<Planned>>,
    chosen: BTreeSet<usize>,
    /// In the order in which they were chosen.
    order: Vec<usize>,
    load: f64,
}

/// Indexes that are added together, with what they would bring as far as is known.
#[derive(Debug)]
struct Move {
    ids: BTreeSet<usize>,
    known: BTreeMap<usize, Vec<f64>>,
    /// How many had been chosen when it was last asked about.
    asked_at: Option<usize>,
    out: bool,
}

impl<'a, P: Planner> Search<'a, P> {
    pub(super) fn new(
        planner: &'a mut P,
        statements: &'a [Statement<'a>],
        tables: &'a [Table],
        engine: Engine,
        deadline: Instant,
    ) -> Self {
        Self {
            planner,
            statements,
            tables,
            engine,
            candidates: Vec::new(),
            wanted: Vec::new(),
            shown: BTreeSet::new(),
            broken: BTreeSet::new(),
            known: HashMap::new(),
            deadline,
            before: Vec::new(),
            now: Vec::new(),
            chosen: BTreeSet::new(),
            order: Vec::new(),
            load: statements.iter().map(Statement::load).sum::<f64>(),
        }
    }

    /// Asks what each statement costs today.
    pub(super) async fn look(&mut self) -> Result<&[Option<Planned>], sqlx::Error> {
        for statement in 0..self.statements.len() {
            let planned = self.planned(statement, &BTreeSet::new()).await?;
            self.before.push(planned);
        }
        self.now.clone_from(&self.before);
        Ok(&self.before)
    }

    pub(super) async fn run(mut self, candidates: Vec<Candidate>) -> Result<Found, sqlx::Error> {
        for candidate in candidates {
            self.take(candidate);
        }
        let mut moves = self.singles().await?;
        self.bundles(&mut moves).await?;
        self.choose(&mut moves).await?;
        self.remove().await?;
        self.narrow().await?;
        self.merge().await?;
        self.swap().await?;
        self.narrow().await?;
        self.widen().await?;
        self.remove().await?;
        self.expose(&BTreeSet::new()).await?;
        Ok(Found {
            candidates: self.candidates,
            chosen: self.order,
            before: self.before,
            after: self.now,
        })
    }

    /// Takes in a candidate; returns its number.
    fn take(&mut self, candidate: Candidate) -> usize {
        if let Some(known) = self.candidates.iter().position(|known| *known == candidate) {
            return known;
        }
        let wanted = self.statements.iter().enumerate();
        let wanted = wanted
            .filter(|(place, statement)| self.is_active(*place) && statement.asks(&candidate))
            .map(|(place, _)| place);
        self.wanted.push(wanted.collect());
        self.candidates.push(candidate);
        self.candidates.len() - 1
    }

    /// Whether there is something to gain of a statement.
    fn is_active(&self, statement: usize) -> bool {
        let planned = self.before.get(statement).and_then(Option::as_ref);
        let worth = |planned: &Planned| planned.mean() >= worth::LEAST_COST;
        self.statements
            .get(statement)
            .is_some_and(Statement::may_gain)
            && planned.is_some_and(worth)
    }

    fn is_late(&self, share: f64) -> bool {
        let left = self.deadline.saturating_duration_since(Instant::now());
        left < super::ROUND.mul_f64(1.0 - share)
    }

    /// What a statement costs with a set of candidates.
    async fn planned(
        &mut self,
        statement: usize,
        set: &BTreeSet<usize>,
    ) -> Result<Option<Planned>, sqlx::Error> {
        let relevant = set.iter().copied().filter(|id| {
            self.wanted
                .get(*id)
                .is_some_and(|wanted| wanted.contains(&statement))
        });
        let relevant: Vec<usize> = relevant.filter(|id| !self.broken.contains(id)).collect();
        let key = (statement, relevant);
        if let Some(known) = self.known.get(&key) {
            return Ok(known.clone());
        }
        self.expose(set).await?;
        let planned = self.planner.plan(statement).await?;
        if self.known.len() < MAX_KNOWN {
            self.known.insert(key, planned.clone());
        }
        Ok(planned)
    }

    /// Lets the planner see these and no others.
    async fn expose(&mut self, set: &BTreeSet<usize>) -> Result<(), sqlx::Error> {
        let gone: Vec<usize> = self.shown.difference(set).copied().collect();
        for id in gone {
            if let Some(candidate) = self.candidates.get(id) {
                self.planner.hide(id, candidate).await?;
            }
            self.shown.remove(&id);
        }
        let new: Vec<usize> = set.difference(&self.shown).copied().collect();
        for id in new {
            let Some(candidate) = self.candidates.get(id) else {
                continue;
            };
            if self.broken.contains(&id) {
                continue;
            }
            if self.planner.show(id, candidate).await? {
                self.shown.insert(id);
            } else {
                self.broken.insert(id);
            }
        }
        Ok(())
    }

    /// Tries each candidate by itself.
    async fn singles(&mut self) -> Result<Vec<Move>, sqlx::Error> {
        let mut moves = Vec::new();
        for id in 0..self.candidates.len() {
            if self.is_late(0.5) {
                break;
            }
            let ids = BTreeSet::from([id]);
            let mut single = Move {
                ids: ids.clone(),
                known: BTreeMap::new(),
                asked_at: Some(0),
                out: false,
            };
            for statement in self.wanted.get(id).cloned().unwrap_or_default() {
                if let Some(planned) = self.planned(statement, &ids).await?
                    && planned.uses.contains(&id)
                {
                    single.known.insert(statement, planned.costs);
                }
            }
            if !self.broken.contains(&id) {
                moves.push(single);
            }
        }
        Ok(moves)
    }

    /// Finds sets that only do together what none does by itself: of several tables, or of several conditions one of which
    /// is enough.
    async fn bundles(&mut self, moves: &mut Vec<Move>) -> Result<(), sqlx::Error> {
        for (place, statement) in self.statements.iter().enumerate() {
            let alternatives =
                |access: &crate::sql::access::Access| !access.alternatives.is_empty();
            let several =
                statement.accesses.len() > 1 || statement.accesses.iter().any(alternatives);
            if !several || !self.is_active(place) || self.is_late(0.6) {
                continue;
            }
            let together: BTreeSet<usize> = (0..self.candidates.len())
                .filter(|id| {
                    !self.broken.contains(id)
                        && self.wanted.get(*id).is_some_and(|w| w.contains(&place))
                })
                .take(TOGETHER)
                .collect();
            let Some(all) = self.planned(place, &together).await? else {
                continue;
            };
            if all.uses.len() < 2 || moves.iter().any(|known| known.ids == all.uses) {
                continue;
            }
            let best = moves
                .iter()
                .filter_map(|single| single.known.get(&place))
                .map(|costs| costs.iter().sum::<f64>() / costs.len().max(1) as f64)
                .fold(f64::INFINITY, f64::min);
            if all.mean() < best * BUNDLE {
                moves.push(Move {
                    ids: all.uses,
                    known: BTreeMap::from([(place, all.costs)]),
                    asked_at: None,
                    out: false,
                });
            }
        }
        Ok(())
    }

    /// Adds the best move again and again, as the planner confirms it beside what is chosen.
    async fn choose(&mut self, moves: &mut [Move]) -> Result<(), sqlx::Error> {
        while self.order.len() < MAX_CHOSEN && !self.is_late(0.8) {
            let mut ranked: Vec<(f64, usize)> = moves
                .iter()
                .enumerate()
                .filter(|(_, candidate)| !candidate.out)
                .map(|(place, candidate)| (self.estimate(candidate), place))
                .filter(|(score, _)| *score > 0.0)
                .collect();
            ranked.sort_by(|one, other| other.0.total_cmp(&one.0).then(one.1.cmp(&other.1)));
            let Some((_, place)) = ranked.first().copied() else {
                break;
            };
            let Some(best) = moves.get_mut(place) else {
                break;
            };
            let ids = best.ids.clone();
            if best.asked_at != Some(self.order.len()) {
                best.known = self.ask(&ids).await?;
                best.asked_at = Some(self.order.len());
                continue;
            }
            best.out = true;
            if self.is_worth(best) {
                self.commit(&ids).await?;
                self.ask_again(moves, &ids).await?;
            }
        }
        Ok(())
    }

    /// What the statements would cost with these beside what is chosen.
    async fn ask(
        &mut self,
        ids: &BTreeSet<usize>,
    ) -> Result<BTreeMap<usize, Vec<f64>>, sqlx::Error> {
        let set: BTreeSet<usize> = self.chosen.union(ids).copied().collect();
        let mut known = BTreeMap::new();
        for statement in self.wanted_by(ids) {
            if let Some(planned) = self.planned(statement, &set).await? {
                known.insert(statement, planned.costs);
            }
        }
        Ok(known)
    }

    fn wanted_by(&self, ids: &BTreeSet<usize>) -> BTreeSet<usize> {
        let wanted = ids.iter().filter_map(|id| self.wanted.get(*id));
        wanted.flatten().copied().collect()
    }

    async fn commit(&mut self, ids: &BTreeSet<usize>) -> Result<(), sqlx::Error> {
        for id in ids {
            if self.chosen.insert(*id) {
                self.order.push(*id);
            }
        }
        self.refresh(ids).await
    }

    /// Looks again at what the statements cost that these are for.
    async fn refresh(&mut self, ids: &BTreeSet<usize>) -> Result<(), sqlx::Error> {
        let set = self.chosen.clone();
        for statement in self.wanted_by(ids) {
            let planned = self.planned(statement, &set).await?;
            if let Some(now) = self.now.get_mut(statement) {
                *now = planned;
            }
        }
        Ok(())
    }

    /// A join that has an index on one side may want one on the other now.
    async fn ask_again(
        &mut self,
        moves: &mut [Move],
        committed: &BTreeSet<usize>,
    ) -> Result<(), sqlx::Error> {
        let affected: Vec<usize> = self
            .wanted_by(committed)
            .into_iter()
            .filter(|place| {
                let statement = self.statements.get(*place);
                statement.is_some_and(|statement| statement.accesses.len() > 1)
            })
            .collect();
        for candidate in moves
            .iter_mut()
            .filter(|candidate| candidate.ids.len() == 1)
        {
            if candidate.ids.is_subset(&self.chosen) {
                continue;
            }
            let wanted = self.wanted_by(&candidate.ids);
            for statement in affected.iter().filter(|place| wanted.contains(place)) {
                if self.is_late(0.7) {
                    return Ok(());
                }
                let set: BTreeSet<usize> = self.chosen.union(&candidate.ids).copied().collect();
                if let Some(planned) = self.planned(*statement, &set).await? {
                    candidate.known.insert(*statement, planned.costs);
                    candidate.out = false;
                }
            }
        }
        Ok(())
    }

    /// What a move is worth, by what is known of it.
    fn estimate(&self, candidate: &Move) -> f64 {
        let ids: BTreeSet<usize> = candidate.ids.difference(&self.chosen).copied().collect();
        if ids.is_empty() {
            return 0.0;
        }
        let mut score = 0.0;
        for (statement, costs) in &candidate.known {
            if let Some(value) = self.value(*statement, costs) {
                score += value.log.max(0.0) * self.weight(*statement);
            }
        }
        let price: f64 = ids.iter().map(|id| self.price(*id)).sum();
        let ordered: f64 = ids.iter().map(|id| self.bonus(*id)).sum();
        // Candidates come with the likeliest in front, and estimates differ in what means nothing.
        let rank = ids.iter().next().map_or(0.0, |id| *id as f64);
        score + ordered - price - rank * 1e-5
    }

    /// How a statement would do with other costs than now.
    fn value(&self, statement: usize, costs: &[f64]) -> Option<Value> {
        let now = self.now.get(statement)?.as_ref()?;
        let before = self.before.get(statement)?.as_ref()?;
        let subject = self.statements.get(statement)?;
        Some(gain(subject, before.mean(), &now.costs, costs))
    }

    /// Statements count by themselves, and those that take more of the time count more.
    fn weight(&self, statement: usize) -> f64 {
        let load = self.statements.get(statement).map_or(0.0, Statement::load);
        1.0 + 3.0 * load / self.load.max(f64::MIN_POSITIVE)
    }

    /// Prefers, among nearly equals, what gives the first rows of an order without reading them all: it stays quick however
    /// many there come to be.
    fn bonus(&self, id: usize) -> f64 {
        let (Some(candidate), Some(wanted)) = (self.candidates.get(id), self.wanted.get(id)) else {
            return 0.0;
        };
        let keys = &candidate.index.shape.keys;
        let statements = wanted
            .iter()
            .filter_map(|place| self.statements.get(*place));
        let said = usize::from(candidate.index.shape.predicate.is_some());
        let given = statements
            .flat_map(|statement| statement.of(candidate.table))
            .map(|access| {
                let order = &access.order;
                let begins = keys.len().checked_sub(order.len());
                let (Some(begins), true) = (begins, access.limited && !order.is_empty()) else {
                    return 0.0;
                };
                let same = keys.iter().skip(begins).zip(order);
                let mut same = same.map(|(key, order)| key.word() == order.column);
                let leads = keys.iter().take(begins);
                let mut leads = leads.map(|key| access.equals.iter().any(|own| own == key.word()));
                // The more of the conditions lead, the fewer rows are passed over, for rare values as well.
                if same.all(|same| same) && leads.all(|lead| lead) {
                    0.06 + 0.03 * (begins + said) as f64
                } else {
                    0.0
                }
            });
        given.fold(0.0, f64::max)
    }

    /// What a shape takes of everybody, in the same measure.
    fn price_of(&self, table: usize, shape: &Shape, share: f64) -> f64 {
        let Some(table) = self.tables.get(table) else {
            return f64::INFINITY;
        };
        let bytes = table.index_bytes(shape, share, self.engine);
        // Every row that is in it has to be written and kept.
        0.02 + 0.03 * share
            + 0.15 * (bytes / table.bytes.max(65_536.0)).min(2.0)
            + 0.004 * shape.keys.len() as f64
    }

    fn price(&self, id: usize) -> f64 {
        self.candidates.get(id).map_or(f64::INFINITY, |candidate| {
            self.price_of(candidate.table, &candidate.index.shape, candidate.share)
        })
    }
}
