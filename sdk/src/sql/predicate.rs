//! What a condition asks of which column.
//!
//! A condition is told where it is on one table alone: what it compares, with what is known before the table is read, and
//! whether the statement's own text fixes it. `equals`, `ranges` and `joins` have the columns that a plain index serves; a
//! function on a column, a pattern and a choice between columns are a residue there, and a condition of their own.

use sqlparser::ast::{
    BinaryOperator, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, GroupByExpr, SelectItem,
    UnaryOperator, Value,
};

use super::access::{Condition, Inside, Subject, Test};
use super::expression;
use super::parse::{Output, Reader, Scope, push};

/// A column as the statement writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Column {
    /// The table or alias before the dot.
    pub(super) table: Option<String>,
    pub(super) name: String,
}

/// Adds to the scope's accesses what a `WHERE` or an `ON` narrows them by.
pub(super) fn condition(reader: &mut Reader<'_>, scope: &mut Scope, condition: &Expr) {
    let mut open = vec![condition];
    while let Some(expr) = open.pop() {
        match expr {
            Expr::Nested(inner) => open.push(inner),
            Expr::BinaryOp {
                left,
                op: BinaryOperator::And,
                right,
            } => open.extend([&**left, &**right]),
            _ => {
                one(reader, scope, expr);
                if let Some((place, told)) = told(reader, scope, expr)
                    && let Some(access) = reader.access(place)
                {
                    access.conditions.push(told);
                }
                alternatives(reader, scope, expr);
            }
        }
    }
}

/// Reads `a = 1 OR b = 2`: an index for each, or none.
fn alternatives(reader: &mut Reader<'_>, scope: &Scope, expr: &Expr) {
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
        for (place, condition) in found {
            if let Some(access) = reader.access(place) {
                access.alternatives.push(condition);
            }
        }
    }
}

/// Says what a condition asks, if it is on one table alone.
fn told(reader: &Reader<'_>, scope: &Scope, expr: &Expr) -> Option<(usize, Condition)> {
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

const fn is_name(expr: &Expr) -> bool {
    matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_))
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

/// The numbers of the parameters in an expression, `$2` say.
pub(super) fn parameters(expr: &Expr) -> Vec<usize> {
    let mut found = Vec::new();
    visit(expr, &mut |expr| {
        if let Expr::Value(value) = expr
            && let Value::Placeholder(name) = &value.value
        {
            let digits = name.trim_start_matches(['$', '?', ':']);
            found.extend(digits.parse::<usize>().ok());
        }
    });
    found
}

fn one(reader: &mut Reader<'_>, scope: &mut Scope, expr: &Expr) {
    match expr {
        Expr::BinaryOp { left, op, right } => match op {
            BinaryOperator::Eq => equality(reader, scope, left, right),
            BinaryOperator::Lt
            | BinaryOperator::LtEq
            | BinaryOperator::Gt
            | BinaryOperator::GtEq => {
                range(reader, scope, left, &[right]);
                range(reader, scope, right, &[left]);
            }
            _ => residue(reader, scope, expr),
        },
        Expr::Between {
            expr: tested,
            negated: false,
            low,
            high,
        } => range(reader, scope, tested, &[low, high]),
        Expr::InList {
            expr: tested,
            list,
            negated: false,
        } => {
            let constant = list.iter().all(|item| columns(reader, item).is_empty());
            match column(reader, tested).filter(|_| constant) {
                Some(tested) => note_equal(reader, scope, &tested),
                None => residue(reader, scope, expr),
            }
        }
        Expr::InSubquery {
            expr: tested,
            subquery,
            negated,
        } => {
            match column(reader, tested).filter(|_| !negated) {
                // The subquery's rows drive the look-ups as another table's would.
                Some(tested) => note_join(reader, scope, &tested),
                None => note_residue(reader, scope),
            }
            let outputs = reader.query(subquery);
            // And it may be looked up in for each row of this one.
            if let [Output::One { place, column, .. }] = outputs.as_slice()
                && let Some(access) = reader.access(*place)
            {
                push(&mut access.joins, column);
            }
        }
        Expr::AnyOp {
            left,
            compare_op: BinaryOperator::Eq,
            right,
            ..
        } => {
            let constant = columns(reader, right).is_empty();
            match column(reader, left).filter(|_| constant) {
                Some(tested) => note_equal(reader, scope, &tested),
                None => residue(reader, scope, expr),
            }
        }
        Expr::IsNull(tested) => match column(reader, tested) {
            Some(tested) => note_equal(reader, scope, &tested),
            None => residue(reader, scope, expr),
        },
        // A flag by itself: true for rows as a look-up would be.
        Expr::Identifier(_) | Expr::CompoundIdentifier(_) => note_residue(reader, scope),
        Expr::UnaryOp {
            op: UnaryOperator::Not,
            ..
        } => residue(reader, scope, expr),
        Expr::Value(_) => {}
        _ => residue(reader, scope, expr),
    }
}

fn equality(reader: &mut Reader<'_>, scope: &mut Scope, left: &Expr, right: &Expr) {
    let pair = (column(reader, left), column(reader, right));
    match pair {
        (Some(left), Some(right)) => {
            // The other side counts as known if it is another table's, of this scope or of one around it.
            let (left_own, right_own) = (reader.is_own(scope, &left), reader.is_own(scope, &right));
            match (left_own, right_own) {
                (true, true) if same_table(reader, scope, &left, &right) => {
                    note_residue(reader, scope);
                }
                (true, true) => {
                    note_join(reader, scope, &left);
                    note_join(reader, scope, &right);
                }
                (true, false) => note_equal(reader, scope, &left),
                (false, true) => note_equal(reader, scope, &right),
                (false, false) => {}
            }
        }
        (Some(tested), None) => against(reader, scope, &tested, right),
        (None, Some(tested)) => against(reader, scope, &tested, left),
        (None, None) => {
            subqueries(reader, left);
            subqueries(reader, right);
            note_residue(reader, scope);
        }
    }
}

/// Whether two columns are of one table; two without a table are, unless they are known to be of two.
fn same_table(reader: &Reader<'_>, scope: &Scope, left: &Column, right: &Column) -> bool {
    if left.table.is_some() && right.table.is_some() {
        return left.table == right.table;
    }
    let (left, right) = (reader.owners(scope, left), reader.owners(scope, right));
    match (left.as_slice(), right.as_slice()) {
        ([(left, _)], [(right, _)]) => left == right,
        _ => true,
    }
}

/// A column against an expression: a look-up if the expression has no column of the same scope.
fn against(reader: &mut Reader<'_>, scope: &mut Scope, tested: &Column, other: &Expr) {
    subqueries(reader, other);
    if is_known(reader, scope, other) {
        note_equal(reader, scope, tested);
    } else {
        note_residue(reader, scope);
    }
}

fn range(reader: &mut Reader<'_>, scope: &mut Scope, tested: &Expr, bounds: &[&Expr]) {
    let Some(tested) = column(reader, tested) else {
        return;
    };
    for bound in bounds {
        subqueries(reader, bound);
    }
    if bounds.iter().all(|bound| is_known(reader, scope, bound)) {
        reader.each_owner(scope, &tested, |access, name| {
            push(&mut access.ranges, name);
        });
    } else {
        note_residue(reader, scope);
    }
}

fn residue(reader: &mut Reader<'_>, scope: &mut Scope, expr: &Expr) {
    subqueries(reader, expr);
    note_residue(reader, scope);
}

fn note_residue(reader: &mut Reader<'_>, scope: &Scope) {
    for place in scope.tables() {
        if let Some(access) = reader.access(place) {
            access.residual = true;
        }
    }
}

fn note_equal(reader: &mut Reader<'_>, scope: &Scope, column: &Column) {
    reader.each_owner(scope, column, |access, name| {
        push(&mut access.equals, name);
    });
}

fn note_join(reader: &mut Reader<'_>, scope: &Scope, column: &Column) {
    reader.each_owner(scope, column, |access, name| {
        push(&mut access.joins, name);
    });
}

fn is_known(reader: &Reader<'_>, scope: &Scope, expr: &Expr) -> bool {
    columns(reader, expr)
        .iter()
        .all(|column| !reader.is_own(scope, column))
}

/// Returns the column that the expression is, and nothing more.
pub(super) fn column(reader: &Reader<'_>, expr: &Expr) -> Option<Column> {
    match expr {
        Expr::Nested(inner) => match &**inner {
            Expr::Nested(_) => None,
            inner => column(reader, inner),
        },
        Expr::Identifier(ident) => Some(Column {
            table: None,
            name: reader.fold(ident),
        }),
        Expr::CompoundIdentifier(idents) => match idents.as_slice() {
            [.., table, name] => Some(Column {
                table: Some(reader.fold(table)),
                name: reader.fold(name),
            }),
            _ => None,
        },
        _ => None,
    }
}

/// Returns the columns that an expression reads outside its subqueries.
pub(super) fn columns(reader: &Reader<'_>, expr: &Expr) -> Vec<Column> {
    let mut found = Vec::new();
    visit(expr, &mut |expr| {
        // Nested ones are met again.
        if is_name(expr) {
            found.extend(column(reader, expr));
        }
    });
    found
}

/// Reads the queries inside an expression.
pub(super) fn subqueries(reader: &mut Reader<'_>, expr: &Expr) {
    visit(expr, &mut |expr| match expr {
        Expr::Subquery(query)
        | Expr::Exists {
            subquery: query, ..
        }
        | Expr::InSubquery {
            subquery: query, ..
        } => {
            reader.query(query);
        }
        _ => {}
    });
}

/// Returns whether an item of a result is computed over a window of rows.
pub(super) fn has_window(items: &[SelectItem]) -> bool {
    items.iter().any(|item| {
        let (SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }) = item else {
            return false;
        };
        let mut found = false;
        visit(expr, &mut |expr| {
            found |= matches!(expr, Expr::Function(function) if function.over.is_some());
        });
        found
    })
}

pub(super) fn is_grouped(group_by: &GroupByExpr) -> bool {
    match group_by {
        GroupByExpr::All(_) => true,
        GroupByExpr::Expressions(expressions, _) => !expressions.is_empty(),
    }
}

/// Returns whether an item of a result folds rows: a call of one of the customary aggregates without a window.
pub(super) fn is_aggregate(item: &SelectItem) -> bool {
    let (SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }) = item else {
        return false;
    };
    let mut found = false;
    visit(expr, &mut |expr| {
        if let Expr::Function(function) = expr {
            let name = function.name.to_string().to_ascii_lowercase();
            let folds = [
                "count",
                "sum",
                "avg",
                "min",
                "max",
                "total",
                "group_concat",
                "string_agg",
            ];
            let aggregates = folds.contains(&name.as_str())
                || name.ends_with("_agg")
                || name.starts_with("bool_")
                || name.starts_with("json_group");
            found |= function.over.is_none() && aggregates;
        }
    });
    found
}

/// Calls `seen` for an expression and those inside it, but not for those of a subquery.
///
/// A loop with its own stack: a chain of operators is as deep as it is long.
pub(super) fn visit<'a>(expr: &'a Expr, seen: &mut impl FnMut(&'a Expr)) {
    let mut open = vec![expr];
    while let Some(expr) = open.pop() {
        seen(expr);
        match expr {
            Expr::Nested(inner)
            | Expr::UnaryOp { expr: inner, .. }
            | Expr::Cast { expr: inner, .. }
            | Expr::Collate { expr: inner, .. }
            | Expr::IsNull(inner)
            | Expr::IsNotNull(inner)
            | Expr::IsTrue(inner)
            | Expr::IsNotTrue(inner)
            | Expr::IsFalse(inner)
            | Expr::IsNotFalse(inner)
            | Expr::Extract { expr: inner, .. }
            | Expr::AtTimeZone {
                timestamp: inner, ..
            }
            | Expr::Trim { expr: inner, .. }
            | Expr::Substring { expr: inner, .. }
            | Expr::Ceil { expr: inner, .. }
            | Expr::Floor { expr: inner, .. }
            | Expr::InSubquery { expr: inner, .. } => open.push(inner),
            Expr::BinaryOp { left, right, .. }
            | Expr::AnyOp { left, right, .. }
            | Expr::AllOp { left, right, .. }
            | Expr::IsDistinctFrom(left, right)
            | Expr::IsNotDistinctFrom(left, right) => open.extend([&**left, &**right]),
            Expr::Like { expr, pattern, .. }
            | Expr::ILike { expr, pattern, .. }
            | Expr::SimilarTo { expr, pattern, .. }
            | Expr::RLike { expr, pattern, .. } => open.extend([&**expr, &**pattern]),
            Expr::Between {
                expr, low, high, ..
            } => open.extend([&**expr, &**low, &**high]),
            Expr::InList { expr, list, .. } => {
                open.push(expr);
                open.extend(list);
            }
            Expr::Tuple(items) => open.extend(items),
            Expr::Array(array) => open.extend(&array.elem),
            Expr::Case {
                operand,
                conditions,
                else_result,
                ..
            } => {
                open.extend(operand.iter().chain(else_result).map(|expr| &**expr));
                for when in conditions {
                    open.extend([&when.condition, &when.result]);
                }
            }
            Expr::Function(function) => {
                if let FunctionArguments::List(list) = &function.args {
                    for arg in &list.args {
                        if let FunctionArg::Unnamed(FunctionArgExpr::Expr(expr))
                        | FunctionArg::Named {
                            arg: FunctionArgExpr::Expr(expr),
                            ..
                        } = arg
                        {
                            open.push(expr);
                        }
                    }
                }
            }
            _ => {}
        }
    }
}
