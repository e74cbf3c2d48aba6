//! What a condition asks of which column.
//!
//! A condition is told where it is on one table alone: what it compares, with what is known before the table is read, and
//! whether the statement's own text fixes it. `equals`, `ranges` and `joins` have the columns that a plain index serves; a
//! function on a column, a pattern and a choice between columns are a residue there, and a condition of their own.

use sqlparser::ast::{
    BinaryOperator, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, GroupByExpr, SelectItem,
    UnaryOperator, Value,
};

use super::parse::{Output, Reader, Scope, push};

mod single;

use single::{alternatives, told};

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

const fn is_name(expr: &Expr) -> bool {
    matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_))
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
            if *negated {
                note_excluded(reader, scope, tested);
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
            expr: denied,
        } => {
            let mut denied = &**denied;
            while let Expr::Nested(inner) = denied {
                denied = inner;
            }
            if let Expr::InSubquery {
                expr: tested,
                negated: false,
                ..
            } = denied
            {
                note_excluded(reader, scope, tested);
            }
            residue(reader, scope, expr);
        }
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

fn note_excluded(reader: &mut Reader<'_>, scope: &Scope, tested: &Expr) {
    if let Some(tested) = column(reader, tested) {
        reader.each_owner(scope, &tested, |access, _| access.excludes = true);
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
