//! Asks the server's planner, with hypothetical indexes where it can.

use std::collections::{BTreeSet, HashMap};

use perfdeck_bridge::protocol::Redacted;
use sqlx::AssertSqlSafe;
use sqlx::postgres::PgConnection;

use super::Shown;
use super::hypopg::{Hypopg, Hypothetical};
use super::plan::Plan;
use super::sample::{Bound, NAME};
use crate::database::advisor::catalog::Table;
use crate::database::advisor::rule::Scan;
use crate::database::advisor::search::{Planned, Planner};
use crate::database::advisor::{Candidate, Method, Statement};
use crate::database::postgres::command;

/// Hypothetical indexes after which the extension may be out of numbers.
const MAX_MADE: usize = 1_500;

pub(super) struct Server<'a> {
    connection: &'a mut PgConnection,
    statements: &'a [Statement<'a>],
    tables: &'a [Table],
    bounds: Vec<Vec<Bound>>,
    pub(super) extension: Option<Hypopg>,
    shown: HashMap<usize, (Hypothetical, Candidate)>,
    made: usize,
    /// How statements read tables without any index of ours, and the plans for it.
    pub(super) scans: HashMap<(usize, usize), Scan>,
    base: HashMap<usize, Vec<Plan>>,
    /// The indexes that are there and used.
    pub(super) used: BTreeSet<String>,
}

impl<'a> Server<'a> {
    pub(super) fn new(
        connection: &'a mut PgConnection,
        statements: &'a [Statement<'a>],
        tables: &'a [Table],
        bounds: Vec<Vec<Bound>>,
        extension: Option<Hypopg>,
    ) -> Self {
        Self {
            connection,
            statements,
            tables,
            bounds,
            extension,
            shown: HashMap::new(),
            made: 0,
            scans: HashMap::new(),
            base: HashMap::new(),
            used: BTreeSet::new(),
        }
    }

    pub(super) fn statement(&self, place: usize) -> Option<&'a Statement<'a>> {
        self.statements.get(place)
    }

    /// What each statement costs today.
    pub(super) fn costs(&self) -> Vec<Option<f64>> {
        let cost = |place: usize| {
            let plans = self.base.get(&place)?;
            let sum: f64 = plans.iter().map(Plan::cost).sum();
            (!plans.is_empty()).then(|| sum / plans.len() as f64)
        };
        (0..self.statements.len()).map(cost).collect()
    }

    pub(super) async fn reset(&mut self) -> Result<(), sqlx::Error> {
        self.shown.clear();
        match &self.extension {
            Some(extension) => extension.reset(self.connection).await,
            None => Ok(()),
        }
    }

    /// The plans of a statement as it is shown now, one for each sample; empty where it can't be planned.
    pub(super) async fn plans(&mut self, statement: usize) -> Result<Vec<Plan>, sqlx::Error> {
        let Some(own) = self.statements.get(statement) else {
            return Ok(Vec::new());
        };
        if !own.may_be_planned() {
            return Ok(Vec::new());
        }
        let bounds = self.bounds.get(statement).cloned().unwrap_or_default();
        let mut plans = Vec::new();
        let mut fit = Vec::new();
        for bound in bounds {
            if let Some(plan) = self.explain(statement, &own.subject.text, &bound).await? {
                plans.push(plan);
                fit.push(bound);
            }
        }
        if plans.is_empty()
            && let Some(plan) = self
                .explain(statement, &own.subject.text, &Bound::Nothing)
                .await?
        {
            // Values that don't fit; the generic plan has to do.
            plans.push(plan);
            fit.push(Bound::Nothing);
        }
        if let Some(bounds) = self.bounds.get_mut(statement) {
            *bounds = fit;
        }
        self.note(statement, &plans);
        Ok(plans)
    }

    fn note(&mut self, statement: usize, plans: &[Plan]) {
        for plan in plans {
            let real = plan
                .indexes()
                .into_iter()
                .filter(|name| !name.starts_with('<'));
            self.used.extend(real.map(str::to_owned));
        }
        if !self.shown.is_empty() || self.base.contains_key(&statement) {
            return;
        }
        for plan in plans {
            for (name, scan) in plan.scans() {
                let Some(own) = self.statements.get(statement) else {
                    continue;
                };
                let mut places = own.tables.iter().flatten();
                let named = |place: &&usize| {
                    self.tables
                        .get(**place)
                        .is_some_and(|table| table.name == name)
                };
                let Some(place) = places.find(named).copied() else {
                    continue;
                };
                let known = self.scans.entry((statement, place)).or_insert(scan);
                if scan.cost > known.cost {
                    *known = scan;
                }
            }
        }
        self.base.insert(statement, plans.to_vec());
    }

    async fn explain(
        &mut self,
        statement: usize,
        text: &str,
        bound: &Bound,
    ) -> Result<Option<Plan>, sqlx::Error> {
        // The options keep a text of other words from being more than planned.
        const EXPLAIN: &str = "EXPLAIN (FORMAT JSON, COSTS ON)";
        let row = match bound {
            Bound::Arguments(arguments) => {
                let sql = AssertSqlSafe(format!("{EXPLAIN} {text}"));
                sqlx::query_with(sql, arguments.clone())
                    .fetch_optional(&mut *self.connection)
                    .await
            }
            Bound::Without => {
                let sql = AssertSqlSafe(format!("{EXPLAIN} {text}"));
                sqlx::query(sql).fetch_optional(&mut *self.connection).await
            }
            Bound::Values(values) => {
                let name = format!("{NAME}{statement}");
                let sql = AssertSqlSafe(format!("{EXPLAIN} EXECUTE {name}({values})"));
                let query = sqlx::query(sql).persistent(false);
                query.fetch_optional(&mut *self.connection).await
            }
            Bound::Nothing => {
                return match self.generic(statement, text).await {
                    Ok(plan) => Ok(plan),
                    Err(error) if is_servers(&error) => Ok(None),
                    Err(error) => Err(error),
                };
            }
        };
        match row {
            Ok(row) => Ok(row.as_ref().and_then(Plan::read)),
            // A statement that can't be planned is left out; a connection that is lost is the end.
            Err(error) if is_servers(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Plans for arguments that are not known: prepared anew, since a plan that is kept doesn't see what is hypothetical.
    async fn generic(&mut self, statement: usize, text: &str) -> Result<Option<Plan>, sqlx::Error> {
        let name = format!("{NAME}{statement}");
        let _ = command(self.connection, format!("DEALLOCATE {name}")).await;
        command(self.connection, format!("PREPARE {name} AS {text}")).await?;
        let count = sqlx::query_scalar::<_, i32>(
            "SELECT coalesce(cardinality(parameter_types), 0) FROM pg_prepared_statements WHERE name = $1",
        );
        let count = count.bind(&name).fetch_one(&mut *self.connection).await?;
        let nulls = vec!["NULL"; usize::try_from(count).unwrap_or(0)].join(", ");
        let arguments = if nulls.is_empty() {
            nulls
        } else {
            format!("({nulls})")
        };
        command(
            self.connection,
            "SET plan_cache_mode = force_generic_plan".into(),
        )
        .await?;
        let sql = AssertSqlSafe(format!("EXPLAIN (FORMAT JSON) EXECUTE {name}{arguments}"));
        let row = sqlx::query(sql)
            .persistent(false)
            .fetch_optional(&mut *self.connection)
            .await;
        command(
            self.connection,
            "SET plan_cache_mode = force_custom_plan".into(),
        )
        .await?;
        Ok(row?.as_ref().and_then(Plan::read))
    }

    /// Whether a plan's conditions may be told: not where they are of a real call's arguments.
    pub(super) fn tells_conditions(&self, statement: usize) -> bool {
        let bounds = self.bounds.get(statement).into_iter().flatten();
        let mut bounds = bounds.map(|bound| matches!(bound, Bound::Arguments(_)));
        !bounds.any(|real| real)
    }

    /// What the planner calls the indexes that are shown, and what they will be called.
    fn names(&self) -> HashMap<&str, &str> {
        let shown = self.shown.values();
        shown
            .map(|(hypothetical, candidate)| {
                (hypothetical.name.as_str(), candidate.index.name.as_str())
            })
            .collect()
    }

    async fn make(&mut self, candidate: &Candidate) -> Result<Option<Hypothetical>, sqlx::Error> {
        let Some(extension) = &self.extension else {
            return Ok(None);
        };
        match extension.add(self.connection, &candidate.index).await {
            Ok(made) => {
                self.made += 1;
                Ok(Some(made))
            }
            // What can't be made hypothetically can't be made.
            Err(error) if is_servers(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Begins to number anew, with what is shown.
    async fn renumber(&mut self) -> Result<(), sqlx::Error> {
        let shown: Vec<(usize, Candidate)> = self
            .shown
            .drain()
            .map(|(id, (_, candidate))| (id, candidate))
            .collect();
        if let Some(extension) = &self.extension {
            extension.reset(self.connection).await?;
        }
        self.made = 0;
        for (id, candidate) in shown {
            if let Some(made) = self.make(&candidate).await? {
                self.shown.insert(id, (made, candidate));
            }
        }
        Ok(())
    }
}

impl Planner for Server<'_> {
    async fn show(&mut self, id: usize, candidate: &Candidate) -> Result<bool, sqlx::Error> {
        if self.made >= MAX_MADE {
            self.renumber().await?;
        }
        let made = self.make(candidate).await?;
        let is_made = made.is_some();
        if let Some(made) = made {
            self.shown.insert(id, (made, candidate.clone()));
        }
        Ok(is_made)
    }

    async fn hide(&mut self, id: usize, _: &Candidate) -> Result<(), sqlx::Error> {
        if let (Some((made, _)), Some(extension)) = (self.shown.remove(&id), &self.extension) {
            extension.remove(self.connection, &made).await?;
        }
        Ok(())
    }

    async fn plan(&mut self, statement: usize) -> Result<Option<Planned>, sqlx::Error> {
        let plans = self.plans(statement).await?;
        if plans.is_empty() {
            return Ok(None);
        }
        let mut uses = BTreeSet::new();
        for plan in &plans {
            for name in plan.indexes() {
                let own = self.shown.iter();
                let own = own.filter(|(_, (made, _))| made.name == name);
                uses.extend(own.map(|(id, _)| *id));
            }
        }
        let count = plans.len() as f64;
        Ok(Some(Planned {
            costs: plans.iter().map(Plan::cost).collect(),
            uses,
            rows: plans.iter().map(Plan::written).sum::<f64>() / count,
        }))
    }
}

impl Shown for Server<'_> {
    fn method(&self) -> Method {
        Method::Planned
    }

    async fn lines(&mut self, statement: usize) -> Result<Vec<Redacted>, sqlx::Error> {
        let plans = self.plans(statement).await?;
        let names = self.names();
        // Of several the one that is told is the costliest.
        let costliest = plans
            .iter()
            .max_by(|one, other| one.cost().total_cmp(&other.cost()));
        let conditions = self.tells_conditions(statement);
        Ok(costliest
            .map(|plan| plan.lines(&names, conditions))
            .unwrap_or_default())
    }
}

/// Whether an error is the server's answer, and not the connection's end.
fn is_servers(error: &sqlx::Error) -> bool {
    !matches!(
        error,
        sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::WorkerCrashed
            | sqlx::Error::PoolClosed
    )
}
