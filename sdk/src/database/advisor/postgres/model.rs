//! An index's effect worked out from statistics, for servers without hypopg: what a scan in today's plan would cost as an
//! index scan, by the planner's own prices.

use std::collections::{BTreeSet, HashMap};

use perfdeck_bridge::protocol::Redacted;

use super::Shown;
use super::catalog::Catalog;
use super::plan::Plan;
use super::server::Server;
use crate::database::advisor::catalog::Table;
use crate::database::advisor::search::{Planned, Planner};
use crate::database::advisor::{Candidate, Method};
use crate::database::ddl::{Key, On};
use crate::sql::access::{Access, Subject, Test};
use crate::sql::redacted::plan_line;

/// Processor's price of a row through an index, in pages in order.
const ROW: f64 = 0.015;
/// Pages from the root to a leaf.
const DESCENT: f64 = 3.0;
/// Of the rows, what a bound or two leave.
const RANGE: f64 = 0.25;
/// Different values of what is inside a document, as the planner itself assumes.
const EXPRESSION: f64 = 200.0;
/// What must be left at most of a scan for an index to replace it: no planner has confirmed it.
const BAR: f64 = 0.2;

pub(super) struct Model<'m, 'a> {
    server: &'m mut Server<'a>,
    tables: &'m [Table],
    random_page_cost: f64,
    shown: HashMap<usize, Candidate>,
    plans: HashMap<usize, Vec<Plan>>,
}

impl<'m, 'a> Model<'m, 'a> {
    pub(super) fn new(server: &'m mut Server<'a>, catalog: &'m Catalog) -> Self {
        Self {
            server,
            tables: &catalog.tables,
            random_page_cost: catalog.random_page_cost,
            shown: HashMap::new(),
            plans: HashMap::new(),
        }
    }

    async fn base(&mut self, statement: usize) -> Result<Vec<Plan>, sqlx::Error> {
        if let Some(plans) = self.plans.get(&statement) {
            return Ok(plans.clone());
        }
        let plans = self.server.plans(statement).await?;
        self.plans.insert(statement, plans.clone());
        Ok(plans)
    }

    /// The cost of one plan with what is shown, and which of it replaces which scan.
    fn cost(&self, statement: usize, plan: &Plan) -> (f64, Vec<(usize, f64)>) {
        let mut cost = plan.cost();
        let mut uses = Vec::new();
        let Some(own) = self.server.statement(statement) else {
            return (cost, uses);
        };
        for (place, access) in own.accesses.iter().enumerate() {
            let Some(Some(number)) = own.tables.get(place).copied() else {
                continue;
            };
            let Some(table) = self.tables.get(number) else {
                continue;
            };
            let scan = plan
                .scans()
                .into_iter()
                .find(|(name, _)| *name == table.name);
            let Some((_, scan)) = scan else { continue };
            let mut best: Option<(f64, usize, bool)> = None;
            let mut shown: Vec<_> = self.shown.iter().collect();
            shown.sort_by_key(|(id, _)| **id);
            for (id, candidate) in shown {
                if candidate.table != number || !own.asks(candidate) {
                    continue;
                }
                let (rows, ordered) = matched(
                    access,
                    candidate,
                    table,
                    own.subject.rows_per_call,
                    scan.rows,
                );
                let pages = table.bytes / 8_192.0;
                let heap = rows.min(pages.max(1.0)) * self.random_page_cost;
                let price = DESCENT * self.random_page_cost + heap + rows * ROW;
                if best.is_none_or(|(known, ..)| price < known) {
                    best = Some((price, *id, ordered));
                }
            }
            if let Some((price, id, ordered)) = best
                && price <= scan.cost.max(plan.cost() * 0.5) * BAR
            {
                cost = if ordered && access.limited {
                    price
                } else {
                    (cost - scan.cost).max(0.0) + price
                };
                uses.push((id, price));
            }
        }
        (cost, uses)
    }
}

impl Planner for Model<'_, '_> {
    async fn show(&mut self, id: usize, candidate: &Candidate) -> Result<bool, sqlx::Error> {
        // Whether an expression may be indexed only the server knows, but for those that are known everywhere.
        let plain = candidate.index.shape.keys.iter().all(|key| match &key.on {
            On::Column(_) => true,
            On::Expression(text) => {
                ["lower(", "upper(", "md5("]
                    .iter()
                    .any(|start| text.starts_with(start))
                    || text.contains(" ->> '")
            }
        });
        if plain {
            self.shown.insert(id, candidate.clone());
        }
        Ok(plain)
    }

    async fn hide(&mut self, id: usize, _: &Candidate) -> Result<(), sqlx::Error> {
        self.shown.remove(&id);
        Ok(())
    }

    async fn plan(&mut self, statement: usize) -> Result<Option<Planned>, sqlx::Error> {
        let plans = self.base(statement).await?;
        if plans.is_empty() {
            return Ok(None);
        }
        let mut planned = Planned {
            costs: Vec::new(),
            uses: BTreeSet::new(),
            rows: plans.iter().map(Plan::written).sum::<f64>() / plans.len() as f64,
        };
        for plan in &plans {
            let (cost, uses) = self.cost(statement, plan);
            planned.costs.push(cost);
            planned.uses.extend(uses.into_iter().map(|(id, _)| id));
        }
        Ok(Some(planned))
    }
}

impl Shown for Model<'_, '_> {
    fn method(&self) -> Method {
        Method::Modelled
    }

    async fn lines(&mut self, statement: usize) -> Result<Vec<Redacted>, sqlx::Error> {
        let plans = self.base(statement).await?;
        let costliest = plans
            .iter()
            .max_by(|one, other| one.cost().total_cmp(&other.cost()));
        let Some(plan) = costliest else {
            return Ok(Vec::new());
        };
        let conditions = self.server.tells_conditions(statement);
        let mut lines = plan.lines(&HashMap::new(), conditions);
        for (id, price) in self.cost(statement, plan).1 {
            let Some(candidate) = self.shown.get(&id) else {
                continue;
            };
            let table = &candidate.index.table;
            let is_scan = |line: &Redacted| {
                line.as_str().contains(&format!(" on {table} ")) && line.as_str().contains("Scan")
            };
            if let Some(line) = lines.iter_mut().find(|line| is_scan(line)) {
                let indent: String = line
                    .as_str()
                    .chars()
                    .take_while(|letter| matches!(letter, ' ' | '-' | '>'))
                    .collect();
                *line = plan_line(&format!(
                    "{indent}Index Scan using {} on {table}  (modelled: cost={price:.2})",
                    candidate.index.name
                ));
            }
        }
        Ok(lines)
    }
}

/// How many rows a candidate leads to, and whether it gives the statement's order.
fn matched(
    access: &Access,
    candidate: &Candidate,
    table: &Table,
    returned: f64,
    left: f64,
) -> (f64, bool) {
    let keys = &candidate.index.shape.keys;
    let condition = |key: &Key| {
        access.conditions.iter().find(|condition| {
            let same = match (&condition.on, &key.on) {
                (Subject::Column(one), On::Column(other))
                | (Subject::Expression(one), On::Expression(other)) => one == other,
                _ => false,
            };
            same && matches!(condition.test, Test::Equal | Test::OneOf | Test::Flag)
        })
    };
    let compared = |key: &Key| {
        condition(key).is_some()
            || key
                .plain()
                .is_some_and(|name| access.equals.iter().any(|own| own == name))
    };
    let joined = |key: &Key| {
        key.plain()
            .is_some_and(|name| access.joins.iter().any(|own| own == name))
    };
    let leads = keys
        .iter()
        .take_while(|key| compared(key) || joined(key))
        .count();
    let distinct: f64 = keys
        .iter()
        .take(leads)
        .map(|key| match &key.on {
            On::Column(name) => table.column(name).map_or(1.0, |column| column.distinct),
            On::Expression(text) if text.contains("->>") => EXPRESSION,
            On::Expression(_) => table.rows * 0.5,
        })
        .product();
    let all = table.rows * candidate.share;
    let mut rows = (all / distinct.max(1.0)).max(1.0);
    let rest = keys.get(leads..).unwrap_or_default();
    let ranged = rest
        .first()
        .is_some_and(|key| access.ranges.iter().any(|own| own == key.word()));
    if ranged {
        rows = (rows * RANGE).max(1.0);
    }
    let order: Vec<&str> = access
        .order
        .iter()
        .map(|order| order.column.as_str())
        .collect();
    // Rows of several outer ones, and those without a value, come in no order of theirs.
    let single = keys.iter().take(leads).all(|key| {
        compared(key)
            && condition(key).is_none_or(|own| {
                own.test != Test::OneOf
                    && !own
                        .constant
                        .as_deref()
                        .is_some_and(|text| text.ends_with("IS NULL"))
            })
    });
    let ordered = single && !order.is_empty() && rest.iter().map(Key::word).eq(order);
    let all_used = access
        .equals
        .iter()
        .all(|name| keys.iter().take(leads).any(|key| key.plain() == Some(name)));
    if all_used && !access.equals.is_empty() && !access.residual && access.ranges.is_empty() {
        // The planner knows better how many rows are left by all conditions.
        rows = rows.max(left.min(table.rows) * 0.5);
    }
    if access.limited && ordered && all_used && !access.residual && access.ranges.is_empty() {
        rows = rows.min(returned.max(1.0));
    }
    (rows, ordered)
}
