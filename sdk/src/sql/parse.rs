//! Statements to accesses, through a parser: tables, aliases and scopes. What a condition means is `predicate`'s work.

use sqlparser::ast::{
    Delete, Expr, FromTable, Ident, Insert, JoinConstraint, JoinOperator, LimitClause, ObjectName,
    ObjectNamePart, OnConflictAction, OnInsert, Query, Select, SelectItem, SetExpr, Statement,
    TableFactor, TableObject, TableWithJoins, Update, UpdateTableFromKind,
};
use sqlparser::dialect::{PostgreSqlDialect, SQLiteDialect};
use sqlparser::parser::Parser;

use super::access::{Access, Columns, Reading, Unknown, Write};
use super::fingerprint::is_shorter_than;
use super::{outline, predicate};

mod order;
mod scope;
#[cfg(test)]
mod tests;

pub(super) use scope::{Output, Scope, Source, push};

/// The grammar that a statement is read with, and how its names fold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    Postgres,
    Sqlite,
}

/// The tokens of the longest statement that is read: the parser's tree may be as deep as the text has operators, and it is
/// dropped on the stack.
const MAX_TOKENS: usize = 2_000;
/// How deep queries may lie in queries.
const MAX_DEPTH: usize = 24;

/// Reads what each table of the statement is asked for; nothing where it can't be read.
pub(crate) fn accesses(sql: &str, dialect: Dialect) -> Vec<Access> {
    read(sql, dialect, &Unknown).accesses
}

/// Does the same with what the tables are known to have, which says whose a column without a table is.
pub(crate) fn read(sql: &str, dialect: Dialect, columns: &dyn Columns) -> Reading {
    if !is_shorter_than(sql, MAX_TOKENS) {
        return Reading::default();
    }
    let parsed = match dialect {
        Dialect::Postgres => Parser::parse_sql(&PostgreSqlDialect {}, sql),
        Dialect::Sqlite => Parser::parse_sql(&SQLiteDialect {}, sql),
    };
    let mut reader = Reader {
        dialect,
        columns,
        depth: 0,
        common: Vec::new(),
        reading: Reading::default(),
    };
    if let Ok([statement]) = parsed.as_deref() {
        reader.statement(statement);
    }
    reader.reading
}

/// Walks a statement and collects accesses.
pub(super) struct Reader<'c> {
    pub(super) dialect: Dialect,
    columns: &'c dyn Columns,
    depth: usize,
    /// Common table expressions, which are no tables, with what they give out.
    common: Vec<(String, Vec<Output>)>,
    reading: Reading,
}

impl Reader<'_> {
    /// Gives a name the form in which it is compared: small letters where the database doesn't tell them apart.
    pub(super) fn fold(&self, ident: &Ident) -> String {
        match (self.dialect, ident.quote_style) {
            (Dialect::Postgres, Some(_)) => ident.value.clone(),
            (Dialect::Postgres, None) => ident.value.to_lowercase(),
            (Dialect::Sqlite, _) => ident.value.to_ascii_lowercase(),
        }
    }

    pub(super) fn access(&mut self, place: usize) -> Option<&mut Access> {
        self.reading.accesses.get_mut(place)
    }

    /// Whether the table of an access has a column, as far as anybody knows.
    pub(super) fn has(&self, place: usize, column: &str) -> Option<bool> {
        let access = self.reading.accesses.get(place)?;
        self.columns
            .has(access.schema.as_deref(), &access.table, column)
    }

    fn statement(&mut self, statement: &Statement) {
        match statement {
            Statement::Query(query) => {
                self.reading.outline = outline::of(query);
                self.query(query);
            }
            Statement::Insert(insert) => self.insert(insert),
            Statement::Update(update) => self.update(update),
            Statement::Delete(delete) => self.delete(delete),
            Statement::Explain { statement, .. } => self.statement(statement),
            _ => {}
        }
    }

    /// Reads a query; returns what it gives out, as far as that is columns of tables which a condition outside may narrow.
    pub(super) fn query(&mut self, query: &Query) -> Vec<Output> {
        if self.depth >= MAX_DEPTH {
            return Vec::new();
        }
        self.depth += 1;
        let common = self.common.len();
        for cte in query.with.iter().flat_map(|with| &with.cte_tables) {
            // Before its own query: a recursive one names itself.
            let name = self.fold(&cte.alias.name);
            self.common.push((name, Vec::new()));
            let place = self.common.len() - 1;
            let outputs = self.query(&cte.query);
            if let Some((_, known)) = self.common.get_mut(place)
                && cte.alias.columns.is_empty()
            {
                *known = outputs;
            }
        }
        let mut outputs = self.body(&query.body, Some(query));
        if query.limit_clause.is_some() || query.fetch.is_some() {
            // Narrowed outside, it would give out other rows.
            outputs.clear();
        }
        self.common.truncate(common);
        self.depth -= 1;
        outputs
    }

    /// `query` is given where its order and limit are this body's own, which a part of a `UNION` has not.
    fn body(&mut self, body: &SetExpr, query: Option<&Query>) -> Vec<Output> {
        match body {
            SetExpr::Select(select) => self.select(select, query),
            SetExpr::Query(query) => self.query(query),
            SetExpr::SetOperation { left, right, .. } => {
                if self.depth < MAX_DEPTH {
                    self.depth += 1;
                    self.body(left, None);
                    self.body(right, None);
                    self.depth -= 1;
                }
                Vec::new()
            }
            SetExpr::Insert(statement)
            | SetExpr::Update(statement)
            | SetExpr::Delete(statement)
            | SetExpr::Merge(statement) => {
                self.statement(statement);
                Vec::new()
            }
            SetExpr::Values(values) => {
                self.reading.value_rows += values.rows.len();
                Vec::new()
            }
            SetExpr::Table(_) => Vec::new(),
        }
    }

    fn select(&mut self, select: &Select, query: Option<&Query>) -> Vec<Output> {
        let mut scope = self.scope(&select.from);
        for item in &select.projection {
            match item {
                SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => {
                    self.note_read(&scope, expr);
                    predicate::subqueries(self, expr);
                }
                _ => self.note_whole(&scope),
            }
        }
        if let Some(condition) = &select.selection {
            self.note_read(&scope, condition);
            predicate::condition(self, &mut scope, condition);
        }
        if let Some(condition) = &select.having {
            self.note_read(&scope, condition);
            predicate::subqueries(self, condition);
        }
        let folded = select.distinct.is_some()
            || predicate::is_grouped(&select.group_by)
            || select.projection.iter().any(predicate::is_aggregate);
        if let Some(query) = query {
            self.order(&scope, query, select, folded);
        }
        self.groups(&scope, select);
        for place in scope.tables() {
            if let Some(access) = self.access(place) {
                access.folded = folded;
            }
        }
        if folded || predicate::has_window(&select.projection) {
            Vec::new()
        } else {
            self.outputs(&scope, select)
        }
    }

    fn insert(&mut self, insert: &Insert) {
        if let Some(query) = &insert.source {
            self.query(query);
        }
        if let TableObject::TableName(name) = &insert.table
            && let Some(mut access) = self.new_access(name)
        {
            access.write = Some(Write::Insert);
            if let Some(OnInsert::OnConflict(conflict)) = &insert.on
                && let OnConflictAction::DoUpdate(update) = &conflict.action
            {
                let columns = update.assignments.iter();
                let columns = columns.flat_map(|assignment| self.assigned(&assignment.target));
                let changed = Access {
                    write: Some(Write::Update(columns.collect())),
                    ..access.clone()
                };
                self.reading.accesses.push(changed);
            }
            self.reading.accesses.push(access);
        }
    }

    fn update(&mut self, update: &Update) {
        let mut scope = self.scope(std::slice::from_ref(&update.table));
        if let Some(UpdateTableFromKind::BeforeSet(from) | UpdateTableFromKind::AfterSet(from)) =
            &update.from
        {
            scope.sources.extend(self.scope(from).sources);
        }
        let mut columns = Vec::new();
        for assignment in &update.assignments {
            columns.extend(self.assigned(&assignment.target));
            predicate::subqueries(self, &assignment.value);
        }
        if let Some(condition) = &update.selection {
            predicate::condition(self, &mut scope, condition);
        }
        self.note_whole(&scope);
        self.write(&scope, Write::Update(columns));
    }

    fn assigned(&self, target: &sqlparser::ast::AssignmentTarget) -> Vec<String> {
        let names = match target {
            sqlparser::ast::AssignmentTarget::ColumnName(name) => std::slice::from_ref(name),
            sqlparser::ast::AssignmentTarget::Tuple(names) => names.as_slice(),
        };
        names
            .iter()
            .filter_map(|name| self.names(name).pop())
            .collect()
    }

    fn delete(&mut self, delete: &Delete) {
        let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = &delete.from;
        let mut scope = self.scope(from);
        let using = self.scope(delete.using.as_deref().unwrap_or_default());
        scope.sources.extend(using.sources);
        if let Some(condition) = &delete.selection {
            predicate::condition(self, &mut scope, condition);
        }
        self.note_whole(&scope);
        self.write(&scope, Write::Delete);
    }

    fn write(&mut self, scope: &Scope, write: Write) {
        let place = scope.sources.first().and_then(Source::table);
        if let Some(access) = place.and_then(|place| self.access(place)) {
            access.write = Some(write);
        }
    }

    fn scope(&mut self, from: &[TableWithJoins]) -> Scope {
        let mut scope = Scope::default();
        for table in from {
            self.tables(&mut scope, table);
        }
        scope
    }

    fn tables(&mut self, scope: &mut Scope, tables: &TableWithJoins) {
        self.table(scope, &tables.relation);
        for join in &tables.joins {
            self.table(scope, &join.relation);
            match constraint(&join.join_operator) {
                Some(JoinConstraint::On(condition)) => {
                    self.note_read(scope, condition);
                    predicate::condition(self, scope, condition);
                }
                Some(JoinConstraint::Using(columns)) => {
                    for name in columns {
                        if let Some(name) = self.names(name).pop() {
                            self.join_all(scope, &name);
                        }
                    }
                }
                Some(JoinConstraint::Natural | JoinConstraint::None) | None => {}
            }
        }
    }

    fn table(&mut self, scope: &mut Scope, table: &TableFactor) {
        match table {
            TableFactor::Table {
                name,
                alias,
                args: None,
                ..
            } => {
                let own = self.names(name).pop().unwrap_or_default();
                let called = alias
                    .as_ref()
                    .map_or_else(|| own.clone(), |alias| self.fold(&alias.name));
                let source = match self.new_access(name) {
                    Some(mut access) => {
                        access.alias.clone_from(&called);
                        self.reading.accesses.push(access);
                        Source::of_table(called, self.reading.accesses.len() - 1)
                    }
                    None => {
                        let known = self.common.iter().rev().find(|(name, _)| *name == own);
                        let outputs = known.map(|(_, outputs)| outputs.clone());
                        Source::of_query(called, outputs.unwrap_or_default())
                    }
                };
                scope.sources.push(source);
            }
            TableFactor::Derived {
                subquery, alias, ..
            } => {
                let outputs = self.query(subquery);
                let name = alias
                    .as_ref()
                    .map(|alias| self.fold(&alias.name))
                    .unwrap_or_default();
                scope.sources.push(Source::of_query(name, outputs));
            }
            TableFactor::NestedJoin {
                table_with_joins, ..
            } if self.depth < MAX_DEPTH => {
                self.depth += 1;
                self.tables(scope, table_with_joins);
                self.depth -= 1;
            }
            _ => scope
                .sources
                .push(Source::of_query(String::new(), Vec::new())),
        }
    }

    /// Makes an empty access; `None` for the name of a common table expression.
    fn new_access(&self, name: &ObjectName) -> Option<Access> {
        let mut names = self.names(name);
        let table = names.pop()?;
        let schema = names.pop();
        let hidden = schema.is_none() && self.common.iter().any(|(name, _)| *name == table);
        (!hidden).then(|| Access {
            schema,
            table,
            ..Access::default()
        })
    }

    fn names(&self, name: &ObjectName) -> Vec<String> {
        let parts = name.0.iter().filter_map(ObjectNamePart::as_ident);
        parts.map(|ident| self.fold(ident)).collect()
    }

    /// Notes a parameter that bounds the rows.
    fn note_limit(&mut self, limit: &LimitClause) {
        let (LimitClause::LimitOffset {
            limit: Some(limit), ..
        }
        | LimitClause::OffsetCommaLimit { limit, .. }) = limit
        else {
            return;
        };
        self.reading.limits.extend(predicate::parameters(limit));
    }

    fn note_read(&mut self, scope: &Scope, expr: &Expr) {
        for column in predicate::columns(self, expr) {
            self.each_owner(scope, &column, |access, name| {
                push(&mut access.reads, name);
            });
        }
    }

    fn note_whole(&mut self, scope: &Scope) {
        for place in scope.tables() {
            if let Some(access) = self.access(place) {
                access.whole = true;
            }
        }
    }
}

const fn constraint(operator: &JoinOperator) -> Option<&JoinConstraint> {
    match operator {
        JoinOperator::Join(constraint)
        | JoinOperator::Inner(constraint)
        | JoinOperator::Left(constraint)
        | JoinOperator::LeftOuter(constraint)
        | JoinOperator::Right(constraint)
        | JoinOperator::RightOuter(constraint)
        | JoinOperator::FullOuter(constraint)
        | JoinOperator::CrossJoin(constraint)
        | JoinOperator::StraightJoin(constraint) => Some(constraint),
        _ => None,
    }
}
