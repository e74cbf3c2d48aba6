//! What a result is ordered and folded by.

use sqlparser::ast::{
    Distinct, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, GroupByExpr, LimitClause,
    OrderByKind, OrderBySort, Query, Select, SelectItem, Value,
};

use super::{Dialect, Reader, Scope, push};
use crate::sql::access::Order;
use crate::sql::predicate;

impl Reader<'_> {
    /// Takes the order if all of it is columns of one table and nothing before it changes what they mean.
    pub(super) fn order(&mut self, scope: &Scope, query: &Query, select: &Select, folded: bool) {
        let limited = query.fetch.is_some()
            || match &query.limit_clause {
                Some(LimitClause::LimitOffset { limit, .. }) => limit.is_some(),
                Some(LimitClause::OffsetCommaLimit { .. }) => true,
                None => false,
            };
        if let Some(limit) = &query.limit_clause {
            self.note_limit(limit);
        }
        let distinct_on = matches!(select.distinct, Some(Distinct::On(_)));
        if folded && !distinct_on {
            self.extreme(scope, select);
            return;
        }
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
                let odd_nulls = by
                    .options
                    .nulls_first
                    .is_some_and(|first| first != customary);
                // No index of SQLite's has them elsewhere.
                if odd_nulls && self.dialect == Dialect::Sqlite
                    || owner.is_some_and(|owner| owner != table)
                {
                    return;
                }
                owner = Some(table);
                if let Some(access) = self.access(table) {
                    push(&mut access.reads, &column);
                }
                orders.push(Order {
                    column,
                    descending,
                    odd_nulls,
                });
            }
        }
        let tables = scope.sources.len();
        let place = owner.or_else(|| scope.sources.first().and_then(super::Source::table));
        if let Some(access) = place.and_then(|place| self.access(place)) {
            access.limited = limited && (tables == 1 || !orders.is_empty());
            access.order = orders;
        }
    }

    fn ordered_column(
        &self,
        scope: &Scope,
        expr: &Expr,
        select: &Select,
    ) -> Option<(usize, String)> {
        // `ORDER BY 2`
        let by_place = match expr {
            Expr::Value(value) => match &value.value {
                Value::Number(number, _) => number.parse::<usize>().ok(),
                _ => return None,
            },
            _ => None,
        };
        let named;
        let expr = match by_place {
            Some(place) => match select.projection.get(place.checked_sub(1)?)? {
                SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => {
                    named = expr.clone();
                    &named
                }
                _ => return None,
            },
            None => expr,
        };
        let mut column = predicate::column(self, expr)?;
        // A name of the result hides the column's, and may be anything.
        if column.table.is_none() && by_place.is_none() {
            let renamed = select.projection.iter().find_map(|item| match item {
                SelectItem::ExprWithAlias { expr, alias } if self.fold(alias) == column.name => {
                    Some(predicate::column(self, expr))
                }
                _ => None,
            });
            if let Some(renamed) = renamed {
                column = renamed?;
            }
        }
        match self.owners(scope, &column).as_slice() {
            [(place, name)] => Some((*place, name.clone())),
            // Without a catalog an unqualified column of several tables is nobody's.
            _ => None,
        }
    }

    /// The least or the greatest of a column is the first in its order.
    fn extreme(&mut self, scope: &Scope, select: &Select) {
        let [SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }] =
            select.projection.as_slice()
        else {
            return;
        };
        let Expr::Function(function) = expr else {
            return;
        };
        let name = function.name.to_string().to_ascii_lowercase();
        let FunctionArguments::List(list) = &function.args else {
            return;
        };
        let [FunctionArg::Unnamed(FunctionArgExpr::Expr(inner))] = list.args.as_slice() else {
            return;
        };
        if !matches!(name.as_str(), "min" | "max")
            || predicate::is_grouped(&select.group_by)
            || function.over.is_some()
        {
            return;
        }
        let Some(column) = predicate::column(self, inner) else {
            return;
        };
        if let [(place, column)] = self.owners(scope, &column).as_slice()
            && let Some(access) = self.access(*place)
        {
            access.order = vec![Order {
                column: column.clone(),
                descending: false,
                odd_nulls: false,
            }];
        }
    }

    /// Takes the columns that rows are folded by, if one table has all of them.
    pub(super) fn groups(&mut self, scope: &Scope, select: &Select) {
        let distinct: Vec<Expr>;
        let expressions = match (&select.group_by, &select.distinct) {
            (GroupByExpr::Expressions(expressions, _), _) if !expressions.is_empty() => expressions,
            (_, Some(Distinct::On(expressions))) => expressions,
            (_, Some(Distinct::Distinct)) => {
                let items = select.projection.iter().map_while(|item| match item {
                    SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => {
                        Some(expr.clone())
                    }
                    _ => None,
                });
                distinct = items.collect();
                if distinct.len() < select.projection.len() {
                    return;
                }
                &distinct
            }
            _ => return,
        };
        let mut groups = Vec::new();
        let mut owner = None;
        for expr in expressions {
            self.note_read(scope, expr);
            let Some((place, column)) = self.ordered_column(scope, expr, select) else {
                return;
            };
            if *owner.get_or_insert(place) != place {
                return;
            }
            push(&mut groups, &column);
        }
        if let Some(access) = owner.and_then(|place| self.access(place)) {
            access.groups = groups;
        }
    }
}
