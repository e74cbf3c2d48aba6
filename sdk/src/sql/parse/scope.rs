//! The tables and queries of one `FROM`, and whose a column is.

use sqlparser::ast::{Select, SelectItem, SelectItemQualifiedWildcardKind};

use super::Reader;
use crate::sql::access::Access;
use crate::sql::predicate::{self, Column};

/// The sources of one `FROM`.
#[derive(Debug, Default)]
pub(in crate::sql) struct Scope {
    pub(in crate::sql) sources: Vec<Source>,
}

/// A table or a query of a `FROM`.
#[derive(Debug)]
pub(in crate::sql) struct Source {
    /// The alias, else the table's name.
    name: String,
    origin: Origin,
}

#[derive(Debug)]
enum Origin {
    /// The place of a table's access.
    Table(usize),
    /// What a subquery or a common table expression gives out.
    Query(Vec<Output>),
}

/// What a query gives out that is a column of a table.
#[derive(Debug, Clone)]
pub(in crate::sql) enum Output {
    /// One column under a name.
    One {
        name: String,
        place: usize,
        column: String,
    },
    /// All columns of a table.
    All(usize),
}

impl Source {
    pub(super) const fn of_table(name: String, place: usize) -> Self {
        Self {
            name,
            origin: Origin::Table(place),
        }
    }

    pub(super) const fn of_query(name: String, outputs: Vec<Output>) -> Self {
        Self {
            name,
            origin: Origin::Query(outputs),
        }
    }

    pub(super) const fn table(&self) -> Option<usize> {
        match self.origin {
            Origin::Table(place) => Some(place),
            Origin::Query(_) => None,
        }
    }
}

impl Scope {
    pub(in crate::sql) fn has(&self, name: &str) -> bool {
        self.sources.iter().any(|source| source.name == name)
    }

    /// The places of the tables, without those inside queries.
    pub(in crate::sql) fn tables(&self) -> Vec<usize> {
        self.sources.iter().filter_map(Source::table).collect()
    }
}

impl Reader<'_> {
    /// The tables that a column may belong to, with its name there. One without a table may be anybody's who isn't known
    /// not to have it; who is known to have it is the only one.
    pub(in crate::sql) fn owners(&self, scope: &Scope, column: &Column) -> Vec<(usize, String)> {
        let mut sure = Vec::new();
        let mut likely = Vec::new();
        for source in &scope.sources {
            let qualified = match &column.table {
                Some(table) if *table != source.name => continue,
                Some(_) => true,
                None => false,
            };
            match &source.origin {
                Origin::Table(place) => match self.has(*place, &column.name) {
                    Some(false) => {}
                    Some(true) => sure.push((*place, column.name.clone())),
                    None if qualified => sure.push((*place, column.name.clone())),
                    None => likely.push((*place, column.name.clone())),
                },
                Origin::Query(outputs) => {
                    for output in outputs {
                        match output {
                            Output::One {
                                name,
                                place,
                                column: inner,
                            } if *name == column.name => sure.push((*place, inner.clone())),
                            Output::One { .. } => {}
                            Output::All(place) => match self.has(*place, &column.name) {
                                Some(false) => {}
                                Some(true) => sure.push((*place, column.name.clone())),
                                None => likely.push((*place, column.name.clone())),
                            },
                        }
                    }
                }
            }
        }
        if sure.is_empty() { likely } else { sure }
    }

    /// Returns whether a column is this scope's; one that nobody is known to have is taken for its own.
    pub(in crate::sql) fn is_own(&self, scope: &Scope, column: &Column) -> bool {
        match &column.table {
            Some(table) => scope.has(table),
            None => scope.sources.iter().any(|source| match &source.origin {
                Origin::Table(place) => self.has(*place, &column.name) != Some(false),
                Origin::Query(_) => true,
            }),
        }
    }

    /// Calls `note` for each table that a column may belong to; returns whether there was any source of it.
    pub(in crate::sql) fn each_owner(
        &mut self,
        scope: &Scope,
        column: &Column,
        mut note: impl FnMut(&mut Access, &str),
    ) {
        for (place, name) in self.owners(scope, column) {
            if let Some(access) = self.access(place) {
                note(access, &name);
            }
        }
    }

    pub(super) fn join_all(&mut self, scope: &Scope, column: &str) {
        let column = Column {
            table: None,
            name: column.to_owned(),
        };
        self.each_owner(scope, &column, |access, name| {
            push(&mut access.joins, name);
            push(&mut access.reads, name);
        });
    }

    /// What a query that folds nothing gives out.
    pub(super) fn outputs(&self, scope: &Scope, select: &Select) -> Vec<Output> {
        let all = |source: &Source| match &source.origin {
            Origin::Table(place) => vec![Output::All(*place)],
            Origin::Query(outputs) => outputs.clone(),
        };
        let mut given = Vec::new();
        for item in &select.projection {
            match item {
                SelectItem::Wildcard(_) => given.extend(scope.sources.iter().flat_map(all)),
                SelectItem::QualifiedWildcard(
                    SelectItemQualifiedWildcardKind::ObjectName(name),
                    _,
                ) => {
                    let name = self.names(name).pop();
                    let named = scope
                        .sources
                        .iter()
                        .filter(|source| Some(&source.name) == name.as_ref());
                    given.extend(named.flat_map(all));
                }
                SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => {
                    let Some(column) = predicate::column(self, expr) else {
                        continue;
                    };
                    let name = match item {
                        SelectItem::ExprWithAlias { alias, .. } => self.fold(alias),
                        _ => column.name.clone(),
                    };
                    if let [(place, column)] = self.owners(scope, &column).as_slice() {
                        given.push(Output::One {
                            name,
                            place: *place,
                            column: column.clone(),
                        });
                    }
                }
                _ => {}
            }
        }
        given
    }
}

/// Adds a column that is not there yet.
pub(in crate::sql) fn push(columns: &mut Vec<String>, column: &str) {
    if !columns.iter().any(|present| present == column) {
        columns.push(column.to_owned());
    }
}
