//! Which tables a statement reads, whether its result may be kept, and which tables it changes.
//!
//! Where it can't be told the answer errs to the safe side: a result is not kept, and a change is one of everything. A
//! table is known by its own name in small letters, without its schema: two of one name are taken for one.

use std::ops::ControlFlow;

use sqlparser::ast::{
    Delete, Expr, FromTable, FunctionArguments, ObjectName, ObjectNamePart, Query, Select, SetExpr,
    Statement, TableFactor, TableObject, Value, ValueWithSpan, Visit as _, Visitor,
};
use sqlparser::dialect::{PostgreSqlDialect, SQLiteDialect};
use sqlparser::parser::Parser;

use super::fingerprint::is_shorter_than;

mod function;
#[cfg(test)]
mod tests;
mod words;

/// The grammar that a statement is read with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Grammar {
    Postgres,
    Sqlite,
}

/// What a statement has to do with tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Relations {
    /// The tables that its result follows from, if that may be kept.
    pub(crate) reads: Result<Vec<Box<str>>, Unfit>,
    pub(crate) changes: Changes,
}

/// What a statement changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Changes {
    /// Nothing, or these tables.
    Tables(Vec<Box<str>>),
    /// It can't be told, or more than rows.
    Anything,
}

/// Why a statement's result is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Unfit {
    /// It can't be read, or is several statements.
    Unreadable,
    /// It is no query, or one that changes something.
    NoQuery,
    /// It locks what it reads.
    Locks,
    /// It has a function whose value changes by itself, or isn't known not to.
    Volatile,
    /// It reads what the server keeps for itself.
    Catalog,
    /// It reads more tables than an entry can hang on.
    ManyTables,
}

/// The tables that a result can follow from.
pub(crate) const MAX_TABLES: usize = 15;
/// The tokens of the longest statement that is read with the parser.
const MAX_TOKENS: usize = 2_000;
/// The bytes of a name that PostgreSQL tells from others.
const MAX_NAME: usize = 63;

/// Reads a text, of one statement or several.
pub(crate) fn relations(sql: &str, grammar: Grammar) -> Relations {
    let parsed = is_shorter_than(sql, MAX_TOKENS)
        .then(|| match grammar {
            Grammar::Postgres => Parser::parse_sql(&PostgreSqlDialect {}, sql),
            Grammar::Sqlite => Parser::parse_sql(&SQLiteDialect {}, sql),
        })
        .and_then(Result::ok);
    let Some(statements) = parsed else {
        return Relations {
            reads: Err(Unfit::Unreadable),
            changes: words::changes(sql),
        };
    };
    let mut reader = Reader {
        grammar,
        reads: Vec::new(),
        unfit: None,
        changed: Vec::new(),
        anything: false,
        unknown_call: false,
    };
    if !matches!(statements.as_slice(), [Statement::Query(_)]) {
        reader.unfit(match statements.len() {
            1 => Unfit::NoQuery,
            _ => Unfit::Unreadable,
        });
    }
    for statement in &statements {
        let ControlFlow::Continue(()) = statement.visit(&mut reader);
    }
    reader.done()
}

/// Gives a table's name the form in which it is compared.
fn folded(name: &ObjectName) -> Option<Box<str>> {
    let ident = name.0.last().and_then(ObjectNamePart::as_ident)?;
    Some(named(&ident.value))
}

fn named(name: &str) -> Box<str> {
    let end = (0..=MAX_NAME.min(name.len()))
        .rev()
        .find(|end| name.is_char_boundary(*end));
    name.get(..end.unwrap_or(0))
        .unwrap_or_default()
        .to_lowercase()
        .into()
}

/// Walks a statement, with all that is inside it.
struct Reader {
    grammar: Grammar,
    /// All relations that are named, those of common table expressions among them: to tell these from tables of the same
    /// name would gain little.
    reads: Vec<Box<str>>,
    unfit: Option<Unfit>,
    changed: Vec<Box<str>>,
    anything: bool,
    /// A function is called that is not known.
    unknown_call: bool,
}

impl Reader {
    fn unfit(&mut self, why: Unfit) {
        self.unfit.get_or_insert(why);
    }

    fn done(mut self) -> Relations {
        // `SELECT place_order($1)`: nothing but the function says what is done.
        self.anything |= self.unknown_call && self.reads.is_empty();
        if self.reads.len() > MAX_TABLES {
            self.unfit(Unfit::ManyTables);
        }
        Relations {
            reads: self.unfit.map_or(Ok(self.reads), Err),
            changes: if self.anything {
                Changes::Anything
            } else {
                Changes::Tables(self.changed)
            },
        }
    }

    fn changes(&mut self, name: &ObjectName) {
        match folded(name) {
            Some(table) if !self.is_only(name) => push(&mut self.changed, table),
            _ => self.anything = true,
        }
    }

    /// PostgreSQL's `ONLY`, which the parser takes for a table of that name and the table for its alias; no table is called
    /// that without quotes there.
    fn is_only(&self, name: &ObjectName) -> bool {
        let [part] = name.0.as_slice() else {
            return false;
        };
        self.grammar == Grammar::Postgres
            && part.as_ident().is_some_and(|ident| {
                ident.quote_style.is_none() && ident.value.eq_ignore_ascii_case("only")
            })
    }

    fn changes_factor(&mut self, table: &TableFactor) {
        match table {
            TableFactor::Table {
                name, args: None, ..
            } => self.changes(name),
            _ => self.anything = true,
        }
    }

    fn deletes(&mut self, delete: &Delete) {
        let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = &delete.from;
        for table in from {
            self.changes_factor(&table.relation);
        }
        delete.tables.iter().for_each(|name| self.changes(name));
    }

    fn calls(&mut self, name: &ObjectName, args: &FunctionArguments) {
        match function::kind(name, args, self.grammar) {
            function::Kind::Steady => {}
            function::Kind::Volatile => self.unfit(Unfit::Volatile),
            function::Kind::Unknown => {
                self.unknown_call = true;
                self.unfit(Unfit::Volatile);
            }
        }
    }
}

impl Visitor for Reader {
    type Break = std::convert::Infallible;

    fn pre_visit_statement(&mut self, statement: &Statement) -> ControlFlow<Self::Break> {
        match statement {
            Statement::Query(_) => return ControlFlow::Continue(()),
            Statement::Insert(insert) => match &insert.table {
                TableObject::TableName(name) => self.changes(name),
                _ => self.anything = true,
            },
            Statement::Update(update) => self.changes_factor(&update.table.relation),
            Statement::Delete(delete) => self.deletes(delete),
            Statement::Merge(merge) => self.changes_factor(&merge.table),
            // One that goes on to the tables that refer to these names only the first.
            Statement::Truncate(truncate)
                if !matches!(
                    truncate.cascade,
                    Some(sqlparser::ast::CascadeOption::Cascade)
                ) =>
            {
                for table in &truncate.table_names {
                    self.changes(&table.name);
                }
            }
            Statement::Copy { to: true, .. } => {}
            Statement::Copy {
                source: sqlparser::ast::CopySource::Table { table_name, .. },
                ..
            } => self.changes(table_name),
            // Whether an explained statement is run depends on its options; its parts are read like others.
            Statement::Explain { .. }
            | Statement::Analyze(_)
            | Statement::Close { .. }
            | Statement::Commit { .. }
            | Statement::Deallocate { .. }
            | Statement::Declare { .. }
            | Statement::Discard { .. }
            | Statement::Fetch { .. }
            | Statement::LISTEN { .. }
            | Statement::Lock(_)
            | Statement::NOTIFY { .. }
            | Statement::Pragma { .. }
            | Statement::ReleaseSavepoint { .. }
            | Statement::Reset(_)
            | Statement::Rollback { .. }
            | Statement::Savepoint { .. }
            | Statement::Set(_)
            | Statement::ShowVariable { .. }
            | Statement::StartTransaction { .. }
            | Statement::UNLISTEN { .. }
            | Statement::Vacuum(_) => {}
            // What a statement of the server's own does, and what changes the tables themselves.
            _ => self.anything = true,
        }
        self.unfit(Unfit::NoQuery);
        ControlFlow::Continue(())
    }

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<Self::Break> {
        if !query.locks.is_empty() {
            self.unfit(Unfit::Locks);
        }
        // `TABLE users` keeps its name where nobody visits it.
        if matches!(*query.body, SetExpr::Table(_)) {
            self.unfit(Unfit::Unreadable);
        }
        if !query.pipe_operators.is_empty() || query.for_clause.is_some() {
            self.unfit(Unfit::Unreadable);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<Self::Break> {
        if select.into.is_some() {
            self.anything = true;
            self.unfit(Unfit::NoQuery);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<Self::Break> {
        let Some(table) = folded(relation) else {
            self.unfit(Unfit::Unreadable);
            return ControlFlow::Continue(());
        };
        if self.is_only(relation) {
            self.unfit(Unfit::Unreadable);
            return ControlFlow::Continue(());
        }
        let schema = relation.0.len().checked_sub(2);
        let schema = schema
            .and_then(|at| relation.0.get(at)?.as_ident())
            .map(|ident| ident.value.to_ascii_lowercase());
        let own = ["pg_catalog", "information_schema"];
        let own_schema = schema.is_some_and(|schema| own.contains(&schema.as_str()));
        if own_schema || table.starts_with("pg_") || table.starts_with("sqlite_") {
            self.unfit(Unfit::Catalog);
        }
        push(&mut self.reads, table);
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, table: &TableFactor) -> ControlFlow<Self::Break> {
        match table {
            TableFactor::Table {
                name,
                args,
                sample,
                version,
                ..
            } => {
                if let Some(args) = args {
                    let list = sqlparser::ast::FunctionArgumentList {
                        duplicate_treatment: None,
                        args: args.args.clone(),
                        clauses: Vec::new(),
                    };
                    self.calls(name, &FunctionArguments::List(list));
                }
                if sample.is_some() {
                    self.unfit(Unfit::Volatile);
                }
                if version.is_some() {
                    self.unfit(Unfit::Unreadable);
                }
            }
            TableFactor::Function { name, .. } => self.calls(name, &FunctionArguments::None),
            TableFactor::Derived { sample: None, .. }
            | TableFactor::UNNEST { .. }
            | TableFactor::NestedJoin { .. } => {}
            _ => self.unfit(Unfit::Unreadable),
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Self::Break> {
        match expr {
            Expr::Function(function) => self.calls(&function.name, &function.args),
            Expr::Identifier(ident)
                if ident.quote_style.is_none()
                    && function::is_session(&ident.value, self.grammar) =>
            {
                self.unfit(Unfit::Volatile);
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_value(&mut self, value: &ValueWithSpan) -> ControlFlow<Self::Break> {
        let text = match &value.value {
            Value::SingleQuotedString(text)
            | Value::EscapedStringLiteral(text)
            | Value::UnicodeStringLiteral(text)
            | Value::NationalStringLiteral(text)
            | Value::DoubleQuotedString(text) => text,
            Value::DollarQuotedString(text) => &text.value,
            _ => return ControlFlow::Continue(()),
        };
        if function::is_moment(text) {
            self.unfit(Unfit::Volatile);
        }
        ControlFlow::Continue(())
    }
}

fn push(names: &mut Vec<Box<str>>, name: Box<str>) {
    if !names.contains(&name) {
        names.push(name);
    }
}
