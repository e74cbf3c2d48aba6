//! What a query is as a whole: whether anything bounds its rows, and how far it skips.

use sqlparser::ast::{Expr, LimitClause, Query, SelectItem, SetExpr, Value};

use super::access::{Offset, Outline};
use super::predicate;

/// Reads a statement that is a query; nothing is told of a `UNION` and its like.
pub(super) fn of(query: &Query) -> Outline {
    let SetExpr::Select(select) = &*query.body else {
        return Outline {
            offset: offset(query),
            ..Outline::default()
        };
    };
    let folded = select.distinct.is_some()
        || predicate::is_grouped(&select.group_by)
        || select.projection.iter().any(predicate::is_aggregate);
    let limited = query.fetch.is_some()
        || match &query.limit_clause {
            Some(LimitClause::LimitOffset { limit, .. }) => limit.is_some(),
            Some(LimitClause::OffsetCommaLimit { .. }) => true,
            None => false,
        };
    Outline {
        unbounded: !limited && !folded && !select.from.is_empty(),
        all_columns: select.projection.iter().any(|item| {
            matches!(
                item,
                SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..)
            )
        }),
        offset: offset(query),
    }
}

fn offset(query: &Query) -> Offset {
    let skipped = match &query.limit_clause {
        Some(LimitClause::LimitOffset { offset, .. }) => {
            offset.as_ref().map(|offset| &offset.value)
        }
        Some(LimitClause::OffsetCommaLimit { offset, .. }) => Some(offset),
        None => None,
    };
    match skipped {
        None => Offset::None,
        Some(Expr::Value(value)) => match &value.value {
            Value::Number(number, _) => number.parse().map_or(Offset::Asked, Offset::Rows),
            _ => Offset::Asked,
        },
        Some(_) => Offset::Asked,
    }
}

/// Whether a pattern begins with a wildcard, as far as the text says: `'%x'`, or `'%' || $1`.
pub(super) fn begins_with_wildcard(pattern: &Expr) -> bool {
    let mut first = pattern;
    loop {
        first = match first {
            Expr::Nested(inner) | Expr::Cast { expr: inner, .. } => inner,
            Expr::BinaryOp {
                left,
                op: sqlparser::ast::BinaryOperator::StringConcat,
                ..
            } => left,
            Expr::Value(value) => {
                return match &value.value {
                    Value::SingleQuotedString(text)
                    | Value::EscapedStringLiteral(text)
                    | Value::NationalStringLiteral(text) => text.starts_with(['%', '_']),
                    _ => false,
                };
            }
            _ => return false,
        };
    }
}
