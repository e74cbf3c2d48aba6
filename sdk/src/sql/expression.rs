//! Expressions in the form that an index has them: columns in quotes, without their table.
//!
//! Only what the databases compute the same way for ever is written: operators, and functions of theirs that are known to
//! depend on nothing but what they are given. The database has the last word on that.

use sqlparser::ast::{
    BinaryOperator, CastKind, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments,
    Ident, UnaryOperator, Value,
};

use super::parse::{Dialect, Reader};
use super::predicate::visit;

/// Functions that give the same for the same.
const CONSTANT: [&str; 34] = [
    "abs",
    "btrim",
    "ceil",
    "ceiling",
    "coalesce",
    "date",
    "date_part",
    "date_trunc",
    "floor",
    "ifnull",
    "json_extract",
    "jsonb_extract_path_text",
    "left",
    "length",
    "lower",
    "ltrim",
    "md5",
    "nullif",
    "octet_length",
    "char_length",
    "regexp_replace",
    "replace",
    "reverse",
    "right",
    "round",
    "rtrim",
    "split_part",
    "strftime",
    "substr",
    "substring",
    "to_tsvector",
    "trim",
    "translate",
    "upper",
];
/// The bytes of the longest expression that is proposed.
const LONGEST: usize = 400;
/// The parts of the largest: what follows goes into each of them by calling itself, and a chain of operators is as deep as
/// its text is long.
const PARTS: usize = 100;

/// Writes an expression as the key of an index; `None` for one that can't be a key.
pub(super) fn text(reader: &Reader<'_>, expr: &Expr) -> Option<String> {
    if !is_small(expr) {
        return None;
    }
    let mut inner = expr;
    while let Expr::Nested(nested) = inner {
        inner = nested;
    }
    let mut fits = true;
    visit(inner, &mut |part| fits &= is_constant(part));
    written(reader, inner).filter(|_| fits)
}

/// Writes a whole condition as the predicate of an index, where it compares columns with literals.
pub(super) fn predicate(reader: &Reader<'_>, expr: &Expr) -> Option<String> {
    if !is_small(expr) || !is_predicate(expr) {
        return None;
    }
    // PostgreSQL itself has a flag's comparison so, and a hypothetical index is compared as it is written.
    if reader.dialect == Dialect::Postgres
        && let Expr::BinaryOp {
            left,
            op: BinaryOperator::Eq,
            right,
        } = expr
        && let Expr::Value(value) = &**right
        && let Value::Boolean(flag) = value.value
    {
        let column = written(reader, left)?;
        return Some(if flag {
            column
        } else {
            format!("NOT {column}")
        });
    }
    written(reader, expr)
}

fn is_small(expr: &Expr) -> bool {
    let mut parts = 0;
    visit(expr, &mut |_| parts += 1);
    parts <= PARTS
}

fn written(reader: &Reader<'_>, expr: &Expr) -> Option<String> {
    let mut own = expr.clone();
    unqualify(reader, &mut own)?;
    let text = own.to_string();
    (text.len() <= LONGEST && !text.chars().any(char::is_control)).then_some(text)
}

/// A comparison of a column with what the text itself says.
fn is_predicate(expr: &Expr) -> bool {
    let is_column = |expr: &Expr| matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_));
    match expr {
        Expr::Nested(inner) => is_predicate(inner),
        Expr::Identifier(_) | Expr::CompoundIdentifier(_) => true,
        Expr::UnaryOp {
            op: UnaryOperator::Not,
            expr,
        } => is_column(expr),
        Expr::IsNull(inner)
        | Expr::IsNotNull(inner)
        | Expr::IsTrue(inner)
        | Expr::IsFalse(inner)
        | Expr::IsNotTrue(inner)
        | Expr::IsNotFalse(inner) => is_column(inner),
        Expr::BinaryOp { left, op, right } => {
            let ordered = matches!(
                op,
                BinaryOperator::Lt
                    | BinaryOperator::LtEq
                    | BinaryOperator::Gt
                    | BinaryOperator::GtEq
            );
            let equal = matches!(op, BinaryOperator::Eq | BinaryOperator::NotEq);
            // A bound that is a text is a date as a rule, and will be another one tomorrow.
            is_column(left) && (equal && is_literal(right) || ordered && is_number(right))
        }
        Expr::InList { expr, list, .. } => is_column(expr) && list.iter().all(is_literal),
        _ => false,
    }
}

fn is_literal(expr: &Expr) -> bool {
    match expr {
        Expr::Value(value) => matches!(
            value.value,
            Value::Number(..) | Value::SingleQuotedString(_) | Value::Boolean(_)
        ),
        Expr::Cast {
            kind: CastKind::DoubleColon | CastKind::Cast,
            expr,
            ..
        } => is_literal(expr),
        _ => is_number(expr),
    }
}

fn is_number(expr: &Expr) -> bool {
    match expr {
        Expr::Value(value) => matches!(value.value, Value::Number(..)),
        Expr::UnaryOp {
            op: UnaryOperator::Minus,
            expr,
        } => is_number(expr),
        _ => false,
    }
}

/// Whether a part of an expression may stand in an index.
fn is_constant(part: &Expr) -> bool {
    match part {
        Expr::Identifier(_)
        | Expr::CompoundIdentifier(_)
        | Expr::Nested(_)
        | Expr::Cast { .. }
        | Expr::Extract { .. }
        | Expr::Trim { .. }
        | Expr::Substring { .. }
        | Expr::Ceil { .. }
        | Expr::Floor { .. }
        | Expr::AtTimeZone { .. }
        | Expr::Collate { .. } => true,
        Expr::UnaryOp { op, .. } => matches!(op, UnaryOperator::Minus | UnaryOperator::Plus),
        Expr::Value(value) => !matches!(value.value, Value::Placeholder(_)),
        Expr::BinaryOp { op, .. } => matches!(
            op,
            BinaryOperator::Plus
                | BinaryOperator::Minus
                | BinaryOperator::Multiply
                | BinaryOperator::Divide
                | BinaryOperator::Modulo
                | BinaryOperator::StringConcat
                | BinaryOperator::Arrow
                | BinaryOperator::LongArrow
                | BinaryOperator::HashArrow
                | BinaryOperator::HashLongArrow
        ),
        Expr::Function(function) => is_constant_function(function),
        _ => false,
    }
}

fn is_constant_function(function: &Function) -> bool {
    let name = function.name.to_string().to_ascii_lowercase();
    let FunctionArguments::List(list) = &function.args else {
        return false;
    };
    let plain = list.duplicate_treatment.is_none()
        && list.clauses.is_empty()
        && list
            .args
            .iter()
            .all(|arg| matches!(arg, FunctionArg::Unnamed(FunctionArgExpr::Expr(_))));
    // With one argument it is what the session says that words are.
    let fixed = name != "to_tsvector" || list.args.len() == 2;
    // A time that is "now" is another one each time.
    let timeless = !matches!(name.as_str(), "date" | "strftime")
        || !list.args.iter().any(|arg| arg.to_string().contains("now"));
    plain
        && fixed
        && timeless
        && function.over.is_none()
        && function.filter.is_none()
        && CONSTANT.contains(&name.as_str())
}

/// Takes the table from each column, and quotes its name in the form that the catalog has.
fn unqualify(reader: &Reader<'_>, expr: &mut Expr) -> Option<()> {
    let name = match expr {
        Expr::Identifier(ident) => Some(reader.fold(ident)),
        Expr::CompoundIdentifier(idents) => Some(reader.fold(idents.last()?)),
        _ => None,
    };
    if let Some(name) = name {
        *expr = Expr::Identifier(Ident::with_quote('"', name));
        return Some(());
    }
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
        | Expr::Ceil { expr: inner, .. }
        | Expr::Floor { expr: inner, .. } => unqualify(reader, inner),
        Expr::AtTimeZone {
            timestamp,
            time_zone,
        } => {
            unqualify(reader, timestamp)?;
            unqualify(reader, time_zone)
        }
        Expr::Trim {
            expr, trim_what, ..
        } => {
            unqualify(reader, expr)?;
            trim_what
                .as_mut()
                .map_or(Some(()), |what| unqualify(reader, what))
        }
        Expr::Substring {
            expr,
            substring_from,
            substring_for,
            ..
        } => {
            unqualify(reader, expr)?;
            for part in [substring_from, substring_for].into_iter().flatten() {
                unqualify(reader, part)?;
            }
            Some(())
        }
        Expr::BinaryOp { left, right, .. } => {
            unqualify(reader, left)?;
            unqualify(reader, right)
        }
        Expr::InList { expr, list, .. } => {
            unqualify(reader, expr)?;
            list.iter_mut().try_for_each(|item| unqualify(reader, item))
        }
        Expr::Function(function) => {
            let FunctionArguments::List(list) = &mut function.args else {
                return None;
            };
            list.args.iter_mut().try_for_each(|arg| match arg {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => unqualify(reader, expr),
                _ => None,
            })
        }
        // In SQLite a word in double quotes that is no column is a text, and stays what it is elsewhere.
        Expr::Value(value) => {
            let text = matches!(value.value, Value::DoubleQuotedString(_));
            (!text || reader.dialect == Dialect::Postgres).then_some(())
        }
        _ => None,
    }
}
