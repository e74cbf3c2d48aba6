//! Statements to accesses, through a parser: tables, aliases and scopes. What a condition means is `predicate`'s work.

use sqlparser::ast::{
    Delete, FromTable, Ident, Insert, JoinConstraint, JoinOperator, LimitClause, ObjectName,
    ObjectNamePart, OrderByKind, OrderBySort, Query, Select, SelectItem, SetExpr, Statement,
    TableFactor, TableObject, TableWithJoins, Update, UpdateTableFromKind,
};
use sqlparser::dialect::{PostgreSqlDialect, SQLiteDialect};
use sqlparser::parser::Parser;

use super::access::{Access, Order, Write};
use super::fingerprint::is_shorter_than;
use super::predicate;

#[cfg(test)]
mod tests;

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
    if !is_shorter_than(sql, MAX_TOKENS) {
        return Vec::new();
    }
    let parsed = match dialect {
        Dialect::Postgres => Parser::parse_sql(&PostgreSqlDialect {}, sql),
        Dialect::Sqlite => Parser::parse_sql(&SQLiteDialect {}, sql),
    };
    let mut reader = Reader {
        dialect,
        depth: 0,
        hidden: Vec::new(),
        found: Vec::new(),
    };
    if let Ok([statement]) = parsed.as_deref() {
        reader.statement(statement);
    }
    reader.found
}

/// Walks a statement and collects accesses.
#[derive(Debug)]
pub(super) struct Reader {
    dialect: Dialect,
    depth: usize,
    /// Names of common table expressions, which are no tables.
    hidden: Vec<String>,
    found: Vec<Access>,
}

/// The tables of one `FROM`, as accesses that are still being filled.
#[derive(Debug, Default)]
pub(super) struct Scope {
    pub(super) tables: Vec<Source>,
}

#[derive(Debug)]
pub(super) struct Source {
    /// The alias, else the table's name.
    pub(super) name: String,
    /// `None` for a subquery, a function or a common table expression.
    pub(super) access: Option<Access>,
}

impl Reader {
    /// Gives a name the form in which it is compared: small letters where the database doesn't tell them apart.
    pub(super) fn fold(&self, ident: &Ident) -> String {
        match (self.dialect, ident.quote_style) {
            (Dialect::Postgres, Some(_)) => ident.value.clone(),
            (Dialect::Postgres, None) => ident.value.to_lowercase(),
            (Dialect::Sqlite, _) => ident.value.to_ascii_lowercase(),
        }
    }

    fn statement(&mut self, statement: &Statement) {
        match statement {
            Statement::Query(query) => self.query(query),
            Statement::Insert(insert) => self.insert(insert),
            Statement::Update(update) => self.update(update),
            Statement::Delete(delete) => self.delete(delete),
            Statement::Explain { statement, .. } => self.statement(statement),
            _ => {}
        }
    }

    pub(super) fn query(&mut self, query: &Query) {
        if self.depth >= MAX_DEPTH {
            return;
        }
        self.depth += 1;
        let hidden = self.hidden.len();
        for cte in query.with.iter().flat_map(|with| &with.cte_tables) {
            // Before its own query: a recursive one names itself.
            let name = self.fold(&cte.alias.name);
            self.hidden.push(name);
            self.query(&cte.query);
        }
        self.body(&query.body, Some(query));
        self.hidden.truncate(hidden);
        self.depth -= 1;
    }

    /// `query` is given where its order and limit are this body's own, which a part of a `UNION` has not.
    fn body(&mut self, body: &SetExpr, query: Option<&Query>) {
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
            }
            SetExpr::Insert(statement)
            | SetExpr::Update(statement)
            | SetExpr::Delete(statement)
            | SetExpr::Merge(statement) => self.statement(statement),
            SetExpr::Values(_) | SetExpr::Table(_) => {}
        }
    }

    fn select(&mut self, select: &Select, query: Option<&Query>) {
        let mut scope = self.scope(&select.from);
        for item in &select.projection {
            if let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = item {
                predicate::subqueries(self, expr);
            }
        }
        if let Some(condition) = &select.selection {
            predicate::condition(self, &mut scope, condition);
        }
        if let Some(condition) = &select.having {
            predicate::subqueries(self, condition);
        }
        let folded = select.distinct.is_some()
            || predicate::is_grouped(&select.group_by)
            || select.projection.iter().any(predicate::is_aggregate);
        if let Some(query) = query.filter(|_| !folded) {
            self.order(&mut scope, query, select);
        }
        for source in &mut scope.tables {
            if let Some(access) = &mut source.access {
                access.folded = folded;
            }
        }
        self.keep(scope);
    }

    /// Takes the order if all of it is columns of one table and nothing before it changes what they mean.
    fn order(&self, scope: &mut Scope, query: &Query, select: &Select) {
        let limited = query.fetch.is_some()
            || match &query.limit_clause {
                Some(LimitClause::LimitOffset { limit, .. }) => limit.is_some(),
                Some(LimitClause::OffsetCommaLimit { .. }) => true,
                None => false,
            };
        let mut orders = Vec::new();
        let mut owner = None;
        if let Some(OrderByKind::Expressions(expressions)) =
            query.order_by.as_ref().map(|order| &order.kind)
        {
            for by in expressions {
                let Some((table, column)) = self.ordered_column(scope, &by.expr, select) else {
                    return;
                };
                let descending = match &by.options.sort {
                    None | Some(OrderBySort::Asc) => false,
                    Some(OrderBySort::Desc) => true,
                    Some(OrderBySort::Using(_)) => return,
                };
                // Another place for nulls than an index has by itself.
                let customary = match self.dialect {
                    Dialect::Postgres => descending,
                    Dialect::Sqlite => !descending,
                };
                if by
                    .options
                    .nulls_first
                    .is_some_and(|first| first != customary)
                    || owner.is_some_and(|owner| owner != table)
                {
                    return;
                }
                owner = Some(table);
                orders.push(Order { column, descending });
            }
        }
        let tables = scope.tables.len();
        let source = scope.tables.get_mut(owner.unwrap_or(0));
        if let Some(access) = source.and_then(|source| source.access.as_mut()) {
            access.limited = limited && (tables == 1 || !orders.is_empty());
            access.order = orders;
        }
    }

    fn ordered_column(
        &self,
        scope: &Scope,
        expr: &sqlparser::ast::Expr,
        select: &Select,
    ) -> Option<(usize, String)> {
        let column = predicate::column(self, expr)?;
        // A name of the result hides the column's, and may be anything.
        let renamed = column.table.is_none()
            && select.projection.iter().any(|item| match item {
                SelectItem::ExprWithAlias { expr, alias } => {
                    self.fold(alias) == column.name
                        && predicate::column(self, expr).is_none_or(|own| own.name != column.name)
                }
                _ => false,
            });
        if renamed {
            return None;
        }
        match column.table {
            Some(table) => Some((scope.position(&table)?, column.name)),
            // Without a catalog an unqualified column of several tables is nobody's.
            None if scope.tables.len() == 1 => Some((0, column.name)),
            None => None,
        }
    }

    fn insert(&mut self, insert: &Insert) {
        if let Some(query) = &insert.source {
            self.query(query);
        }
        if let TableObject::TableName(name) = &insert.table
            && let Some(mut access) = self.access(name)
        {
            access.write = Some(Write::Insert);
            self.found.push(access);
        }
    }

    fn update(&mut self, update: &Update) {
        let mut scope = self.scope(std::slice::from_ref(&update.table));
        if let Some(UpdateTableFromKind::BeforeSet(from) | UpdateTableFromKind::AfterSet(from)) =
            &update.from
        {
            scope.tables.extend(self.scope(from).tables);
        }
        let mut columns = Vec::new();
        for assignment in &update.assignments {
            columns.extend(self.assigned(&assignment.target));
            predicate::subqueries(self, &assignment.value);
        }
        if let Some(condition) = &update.selection {
            predicate::condition(self, &mut scope, condition);
        }
        scope.write(Write::Update(columns));
        self.keep(scope);
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
        scope.tables.extend(
            self.scope(delete.using.as_deref().unwrap_or_default())
                .tables,
        );
        if let Some(condition) = &delete.selection {
            predicate::condition(self, &mut scope, condition);
        }
        scope.write(Write::Delete);
        self.keep(scope);
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
            let before = scope.tables.len();
            self.table(scope, &join.relation);
            match constraint(&join.join_operator) {
                Some(JoinConstraint::On(condition)) => predicate::condition(self, scope, condition),
                Some(JoinConstraint::Using(columns)) => {
                    for name in columns.iter().filter_map(|name| self.names(name).pop()) {
                        scope.join_all(&name, before);
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
                let mut access = self.access(name);
                let own = self.names(name).pop().unwrap_or_default();
                let name = alias.as_ref().map_or(own, |alias| self.fold(&alias.name));
                if let Some(access) = &mut access {
                    access.alias.clone_from(&name);
                }
                scope.tables.push(Source { name, access });
            }
            TableFactor::Derived {
                subquery, alias, ..
            } => {
                self.query(subquery);
                let name = alias
                    .as_ref()
                    .map(|alias| self.fold(&alias.name))
                    .unwrap_or_default();
                scope.tables.push(Source { name, access: None });
            }
            TableFactor::NestedJoin {
                table_with_joins, ..
            } if self.depth < MAX_DEPTH => {
                self.depth += 1;
                self.tables(scope, table_with_joins);
                self.depth -= 1;
            }
            _ => scope.tables.push(Source {
                name: String::new(),
                access: None,
            }),
        }
    }

    /// Makes an empty access; `None` for the name of a common table expression.
    fn access(&self, name: &ObjectName) -> Option<Access> {
        let mut names = self.names(name);
        let table = names.pop()?;
        let schema = names.pop();
        let hidden = schema.is_none() && self.hidden.contains(&table);
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

    fn keep(&mut self, scope: Scope) {
        self.found
            .extend(scope.tables.into_iter().filter_map(|source| source.access));
    }
}

impl Scope {
    pub(super) fn position(&self, name: &str) -> Option<usize> {
        self.tables.iter().position(|source| source.name == name)
    }

    /// Calls `note` for the table that a column may belong to; an unqualified one may be any table's, and the catalog will
    /// tell whose.
    pub(super) fn each_owner(
        &mut self,
        table: Option<&str>,
        mut note: impl FnMut(&mut Access),
    ) -> bool {
        let mut any = false;
        for source in &mut self.tables {
            if table.is_none_or(|table| table == source.name) {
                any = true;
                if let Some(access) = &mut source.access {
                    note(access);
                }
            }
        }
        any
    }

    fn join_all(&mut self, column: &str, last: usize) {
        for source in self.tables.iter_mut().take(last + 1) {
            if let Some(access) = &mut source.access {
                push(&mut access.joins, column);
            }
        }
    }

    fn write(&mut self, write: Write) {
        if let Some(access) = self
            .tables
            .first_mut()
            .and_then(|source| source.access.as_mut())
        {
            access.write = Some(write);
        }
    }
}

/// Adds a column that is not there yet.
pub(super) fn push(columns: &mut Vec<String>, column: &str) {
    if !columns.iter().any(|present| present == column) {
        columns.push(column.to_owned());
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
