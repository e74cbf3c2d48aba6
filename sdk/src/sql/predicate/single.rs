//! Conditions on one table alone: what they compare, and with what.

use sqlparser::ast::{BinaryOperator, Expr, UnaryOperator};

use super::{Column, Reader, Scope, column, columns, is_known, is_name, parameters, visit};
use crate::sql::access::{Condition, Inside, Subject, Test};
use crate::sql::expression;
use crate::sql::outline::begins_with_wildcard;
use crate::sql::parse::push;

/// Reads `a = 1 OR b = 2`: an index for each, or none.
pub(super) fn alternatives(reader: &mut Reader<'_>, scope: &Scope, expr: &Expr) {
    let mut open = vec![expr];
    let mut found = Vec::new();
    while let Some(expr) = open.pop() {
        match expr {
            Expr::Nested(inner) => open.push(inner),
            Expr::BinaryOp {
                left,
                op: BinaryOperator::Or,
                right,
            } => open.extend([&**left, &**right]),
            _ => {
                // The first of several that have to hold together is enough for a beginning.
                let mut first = expr;
                while let Expr::BinaryOp {
                    left,
                    op: BinaryOperator::And,
                    ..
                } = first
                {
                    first = left;
                }
                match told(reader, scope, first) {
                    Some(told) => found.push(told),
                    None => return,
                }
            }
        }
    }
    if found.len() > 1 {
        // `a = 1 OR a = 2` is a list, and one look-up.
        let first = found.first();
        let first = first.map(|(place, condition)| (*place, condition.on.clone()));
        let either = found.iter().any(|(place, condition)| {
            let other = |(first, on): &(usize, Subject)| first != place || *on != condition.on;
            first.as_ref().is_some_and(other)
        });
        for (place, condition) in found {
            if let Some(access) = reader.access(place) {
                access.either |= either;
                access.alternatives.push(condition);
            }
        }
    }
}

/// Says what a condition asks, if it is on one table alone.
pub(super) fn told(reader: &Reader<'_>, scope: &Scope, expr: &Expr) -> Option<(usize, Condition)> {
    let own = |expr: &Expr| {
        let columns = columns(reader, expr);
        columns.iter().any(|column| reader.is_own(scope, column))
    };
    let (on, test, others) = parts(expr, &own);
    // What it is compared with must be known before the table is read.
    let known = |expr: &&Expr| is_known(reader, scope, expr);
    let (on, test) = if others.iter().all(known) && !has_query(expr) {
        (on, test)
    } else {
        return None;
    };
    let own: Vec<Column> = columns(reader, expr)
        .into_iter()
        .filter(|column| reader.is_own(scope, column))
        .collect();
    let mut place = None;
    let mut names = Vec::new();
    for column in &own {
        let owners = reader.owners(scope, column);
        let [(owner, name)] = owners.as_slice() else {
            return None;
        };
        if *place.get_or_insert(*owner) != *owner {
            return None;
        }
        push(&mut names, name);
    }
    let place = place?;
    let subject = match on.map(|on| (on, column(reader, on))) {
        Some((_, Some(column))) => {
            let owners = reader.owners(scope, &column);
            Subject::Column(owners.into_iter().next()?.1)
        }
        Some((on, None)) => match expression::text(reader, on) {
            Some(text) if !columns(reader, on).is_empty() => Subject::Expression(text),
            _ => Subject::Nothing,
        },
        None => Subject::Nothing,
    };
    let test = if subject == Subject::Nothing {
        Test::Other
    } else {
        test
    };
    Some((
        place,
        Condition {
            on: subject,
            test,
            columns: names,
            constant: expression::predicate(reader, expr),
            parameters: parameters(expr),
            wildcard: matches!(test, Test::Like | Test::Match)
                && others.iter().any(|pattern| begins_with_wildcard(pattern)),
        },
    ))
}

/// Takes a condition apart: what could be a key, what is asked of it, and what it is compared with.
fn parts<'e>(
    expr: &'e Expr,
    own: &dyn Fn(&Expr) -> bool,
) -> (Option<&'e Expr>, Test, Vec<&'e Expr>) {
    match expr {
        Expr::Nested(inner) => parts(inner, own),
        Expr::BinaryOp { left, op, right } => {
            let sides = |test, swapped| {
                // The side with columns is the one that is looked up.
                if own(left) {
                    (Some(&**left), test, vec![&**right])
                } else {
                    (Some(&**right), swapped, vec![&**left])
                }
            };
            let inside = |inside| sides(Test::Contains(inside), Test::Contains(inside));
            match op {
                BinaryOperator::Eq => sides(Test::Equal, Test::Equal),
                BinaryOperator::Lt
                | BinaryOperator::LtEq
                | BinaryOperator::Gt
                | BinaryOperator::GtEq => match (&**left, &**right) {
                    (Expr::Tuple(left), Expr::Tuple(right)) => {
                        (left.first(), Test::Range, right.iter().collect())
                    }
                    _ => sides(Test::Range, Test::Range),
                },
                BinaryOperator::PGLikeMatch => sides(Test::Like, Test::Other),
                BinaryOperator::PGILikeMatch
                | BinaryOperator::PGRegexMatch
                | BinaryOperator::PGRegexIMatch => sides(Test::Match, Test::Other),
                BinaryOperator::AtArrow => inside(Inside::Has),
                BinaryOperator::ArrowAt => inside(Inside::Overlaps),
                BinaryOperator::PGOverlap => inside(Inside::Overlaps),
                BinaryOperator::Question
                | BinaryOperator::QuestionAnd
                | BinaryOperator::QuestionPipe => inside(Inside::Key),
                BinaryOperator::AtAt => inside(Inside::Search),
                _ => (None, Test::Other, Vec::new()),
            }
        }
        Expr::Between {
            expr,
            negated: false,
            low,
            high,
        } => (Some(expr), Test::Range, vec![&**low, &**high]),
        Expr::InList {
            expr,
            list,
            negated: false,
        } => (Some(expr), Test::OneOf, list.iter().collect()),
        Expr::AnyOp {
            left,
            compare_op: BinaryOperator::Eq,
            right,
            ..
        } => {
            if own(right) && !own(left) {
                let mut inner = &**right;
                while let Expr::Nested(expr) = inner {
                    inner = expr;
                }
                (Some(inner), Test::Contains(Inside::Any), vec![&**left])
            } else {
                (Some(left), Test::OneOf, vec![&**right])
            }
        }
        Expr::IsNull(inner) => (Some(inner), Test::Equal, Vec::new()),
        Expr::IsNotNull(inner) => (Some(inner), Test::NotNull, Vec::new()),
        Expr::IsTrue(inner) | Expr::IsFalse(inner) => (Some(inner), Test::Flag, Vec::new()),
        Expr::UnaryOp {
            op: UnaryOperator::Not,
            expr: inner,
        } if is_name(inner) => (Some(inner), Test::Flag, Vec::new()),
        Expr::Identifier(_) | Expr::CompoundIdentifier(_) => (Some(expr), Test::Flag, Vec::new()),
        Expr::Like {
            expr,
            negated: false,
            any: false,
            pattern,
            ..
        } => (Some(expr), Test::Like, vec![&**pattern]),
        Expr::ILike {
            expr,
            negated: false,
            any: false,
            pattern,
            ..
        } => (Some(expr), Test::Match, vec![&**pattern]),
        _ => (None, Test::Other, Vec::new()),
    }
}

fn has_query(expr: &Expr) -> bool {
    let mut found = false;
    visit(expr, &mut |expr| {
        found |= matches!(
            expr,
            Expr::Subquery(_) | Expr::Exists { .. } | Expr::InSubquery { .. }
        );
    });
    found
}
