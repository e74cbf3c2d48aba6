//! Which functions give the same result as long as their tables stay the same.
//!
//! Only those that are known to: what a function of the host's own reads, or whether it rolls dice, nobody can tell from
//! its name.

use sqlparser::ast::{Expr, FunctionArg, FunctionArgExpr, FunctionArguments, ObjectName, Value};

use super::Grammar;

/// What is known of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// It follows from its arguments and tables.
    Steady,
    /// It is one of the database's own whose value changes by itself; it changes no table.
    Volatile,
    Unknown,
}

/// Sorted, so that it can be searched. Of PostgreSQL, SQLite and what they have in common; one that only the other knows
/// is an error there.
#[rustfmt::skip]
const STEADY: &[&str] = &[
    "abs", "acos", "acosh", "array", "array_agg", "array_append", "array_cat", "array_dims", "array_fill",
    "array_length", "array_lower", "array_ndims", "array_position", "array_positions", "array_prepend",
    "array_remove", "array_replace", "array_to_json", "array_to_string", "array_upper", "ascii", "asin", "asinh",
    "atan", "atan2", "atanh", "avg", "bit_and", "bit_count", "bit_length", "bit_or", "bit_xor", "bm25", "bool_and",
    "bool_or", "btrim", "cardinality", "cbrt", "ceil", "ceiling", "char", "char_length", "character_length", "chr",
    "coalesce", "concat", "concat_ws", "convert_from", "convert_to", "corr", "cos", "cosh", "cot", "count",
    "covar_pop", "covar_samp", "cume_dist", "date_bin", "date_part", "date_trunc", "decode", "degrees",
    "dense_rank", "digest", "div", "encode", "every", "exp", "extract", "factorial", "first_value", "floor",
    "format", "gcd", "generate_series", "generate_subscripts", "get_bit", "get_byte", "glob", "greatest",
    "group_concat", "grouping", "hex", "highlight", "hypot", "ifnull", "iif", "initcap", "instr", "isfinite",
    "json", "json_agg", "json_array", "json_array_elements", "json_array_elements_text", "json_array_length",
    "json_build_array", "json_build_object", "json_each", "json_each_text", "json_extract", "json_extract_path",
    "json_extract_path_text", "json_group_array", "json_group_object", "json_insert", "json_object",
    "json_object_agg", "json_object_keys", "json_patch", "json_pretty", "json_quote", "json_remove", "json_replace",
    "json_set", "json_strip_nulls", "json_tree", "json_type", "json_typeof", "json_valid", "jsonb", "jsonb_agg",
    "jsonb_array_elements", "jsonb_array_elements_text", "jsonb_array_length", "jsonb_build_array",
    "jsonb_build_object", "jsonb_each", "jsonb_each_text", "jsonb_extract_path", "jsonb_extract_path_text",
    "jsonb_insert", "jsonb_object", "jsonb_object_agg", "jsonb_object_keys", "jsonb_path_exists",
    "jsonb_path_match", "jsonb_path_query", "jsonb_path_query_array", "jsonb_path_query_first", "jsonb_pretty",
    "jsonb_set", "jsonb_strip_nulls", "jsonb_typeof", "justify_days", "justify_hours", "justify_interval", "lag",
    "last_value", "lcm", "lead", "least", "left", "length", "like", "likelihood", "likely", "ln", "log", "log10",
    "log2", "lower", "lower_inc", "lower_inf", "lpad", "ltrim", "make_date", "make_interval", "make_time",
    "make_timestamp", "max", "md5", "min", "min_scale", "mod", "mode", "multirange", "nth_value", "ntile", "nullif",
    "num_nonnulls", "num_nulls", "numnode", "octet_length", "overlay", "percent_rank", "percentile_cont",
    "percentile_disc", "phraseto_tsquery", "pi", "plainto_tsquery", "position", "pow", "power", "printf", "quote",
    "quote_ident", "quote_literal", "quote_nullable", "radians", "range_agg", "range_intersect_agg", "range_merge",
    "rank", "regexp_count", "regexp_instr", "regexp_like", "regexp_match", "regexp_matches", "regexp_replace",
    "regexp_split_to_array", "regexp_split_to_table", "regexp_substr", "regr_avgx", "regr_avgy", "regr_count",
    "regr_intercept", "regr_r2", "regr_slope", "regr_sxx", "regr_sxy", "regr_syy", "repeat", "replace", "reverse",
    "right", "round", "row", "row_number", "row_to_json", "rpad", "rtrim", "scale", "set_bit", "set_byte",
    "setweight", "sha224", "sha256", "sha384", "sha512", "sign", "similarity", "sin", "sinh", "snippet", "soundex",
    "split_part", "sqrt", "starts_with", "stddev", "stddev_pop", "stddev_samp", "string_agg", "string_to_array",
    "string_to_table", "strip", "strpos", "substr", "substring", "sum", "tan", "tanh", "text", "to_char", "to_date",
    "to_hex", "to_json", "to_jsonb", "to_number", "to_timestamp", "to_tsquery", "to_tsvector", "total", "translate",
    "trim", "trim_array", "trim_scale", "trunc", "ts_delete", "ts_filter", "ts_headline", "ts_rank", "ts_rank_cd",
    "ts_rewrite", "tsquery_phrase", "tsvector_to_array", "typeof", "unaccent", "unhex", "unicode", "unistr",
    "unlikely", "unnest", "upper", "upper_inc", "upper_inf", "var_pop", "var_samp", "variance",
    "websearch_to_tsquery", "width_bucket", "word_similarity",
];

/// The database's own whose value changes by itself; sorted.
#[rustfmt::skip]
const VOLATILE: &[&str] = &[
    "age", "changes", "clock_timestamp", "currval", "gen_random_bytes", "gen_random_uuid", "inet_client_addr",
    "inet_server_addr", "last_insert_rowid", "lastval", "nextval", "now", "random", "random_normal", "randomblob",
    "sqlite_version", "statement_timestamp", "timeofday", "total_changes", "transaction_timestamp",
    "uuid_generate_v1", "uuid_generate_v1mc", "uuid_generate_v4", "uuidv4", "uuidv7", "version",
];

/// SQLite's functions of a moment, which is the present one if none is given.
const OF_MOMENT: &[&str] = &[
    "date",
    "datetime",
    "julianday",
    "strftime",
    "time",
    "unixepoch",
];

/// What is written like a column and is the session's or the moment's.
const SESSION: &[&str] = &[
    "current_catalog",
    "current_date",
    "current_role",
    "current_schema",
    "current_time",
    "current_timestamp",
    "current_user",
    "localtime",
    "localtimestamp",
    "session_user",
    "system_user",
];

/// Literals that PostgreSQL and SQLite take for a moment or a day that isn't always the same.
const MOMENTS: &[&str] = &["now", "today", "tomorrow", "yesterday"];
/// The longest text that can mean a moment.
const LONGEST_MOMENT: usize = 64;

pub(super) fn kind(name: &ObjectName, args: &FunctionArguments, grammar: Grammar) -> Kind {
    let mut parts = name.0.iter().rev();
    let part = parts.next().and_then(|part| part.as_ident());
    let Some(ident) = part else {
        return Kind::Unknown;
    };
    let schema = parts.next().map(|part| part.as_ident());
    let catalog = |ident: &sqlparser::ast::Ident| ident.value.eq_ignore_ascii_case("pg_catalog");
    if schema.is_some_and(|schema| !schema.is_some_and(catalog)) {
        return Kind::Unknown;
    }
    let name = ident.value.to_ascii_lowercase();
    let name = name.as_str();
    // The difference of two moments, or of one and today.
    if name == "age" && arguments(args).len() == 2 {
        return Kind::Steady;
    }
    if SESSION.contains(&name) || VOLATILE.binary_search(&name).is_ok() {
        return Kind::Volatile;
    }
    if OF_MOMENT.contains(&name) {
        return of_moment(name, args, grammar);
    }
    if STEADY.binary_search(&name).is_ok() {
        return Kind::Steady;
    }
    Kind::Unknown
}

/// Whether the word, written like a column, is one of the session.
pub(super) fn is_session(word: &str, grammar: Grammar) -> bool {
    let word = word.to_ascii_lowercase();
    SESSION.contains(&word.as_str()) || grammar == Grammar::Postgres && word == "user"
}

/// Whether the text may mean a moment that isn't always the same.
pub(super) fn is_moment(text: &str) -> bool {
    text.len() <= LONGEST_MOMENT
        && text.split(|c: char| !c.is_ascii_alphabetic()).any(|word| {
            MOMENTS
                .iter()
                .any(|moment| word.eq_ignore_ascii_case(moment))
        })
}

fn of_moment(name: &str, args: &FunctionArguments, grammar: Grammar) -> Kind {
    if grammar == Grammar::Postgres {
        // `date(x)` and `time(x)` are casts; the others aren't there.
        return if arguments(args).is_empty() {
            Kind::Volatile
        } else {
            Kind::Steady
        };
    }
    let at = usize::from(name == "strftime");
    match arguments(args).get(at) {
        Some(moment) if is_given(moment) => Kind::Steady,
        // The present one, or what was bound, which may be a word for it.
        _ => Kind::Volatile,
    }
}

/// Whether the moment is a column's or a literal's; the literal is looked at for itself.
fn is_given(moment: &Expr) -> bool {
    match moment {
        Expr::Identifier(_) | Expr::CompoundIdentifier(_) => true,
        Expr::Value(value) => !matches!(value.value, Value::Placeholder(_)),
        Expr::Nested(inner) | Expr::Cast { expr: inner, .. } => is_given(inner),
        _ => false,
    }
}

fn arguments(args: &FunctionArguments) -> Vec<&Expr> {
    let FunctionArguments::List(list) = args else {
        return Vec::new();
    };
    list.args
        .iter()
        .filter_map(|arg| match arg {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_can_be_searched() {
        for list in [STEADY, VOLATILE] {
            assert!(list.is_sorted_by(|a, b| a < b));
        }
        assert!(
            STEADY
                .iter()
                .all(|name| VOLATILE.binary_search(name).is_err())
        );
    }

    #[test]
    fn moments_are_words_of_their_own() {
        for (text, expected) in [
            ("now", true),
            (" Today 10:00", true),
            ("yesterday", true),
            ("known", false),
            ("2026-01-01", false),
            (
                "a text about what is happening now, which is far too long to be a moment",
                false,
            ),
        ] {
            assert_eq!(is_moment(text), expected, "{text}");
        }
    }
}
