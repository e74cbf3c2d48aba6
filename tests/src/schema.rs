//! What `perfdeck --json` prints beside its published schemas.
//!
//! The validator knows what they use of JSON Schema 2020-12; a whole one costs minutes to build.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use std::path::Path;

use serde_json::Value;

/// Returns the name of the schema for what a command prints.
///
/// # Panics
///
/// If no schema is published for it.
#[must_use]
pub fn of_command(arguments: &[&str]) -> &'static str {
    match arguments {
        ["ls", ..] => "ls",
        ["status", ..] => "status",
        ["doctor", ..] => "doctor",
        ["requests", ..] => "requests",
        ["exemplars", ..] => "exemplars",
        ["exemplar", ..] => "exemplar",
        ["queries", ..] => "queries",
        ["history", "--list"] => "history-list",
        ["history", ..] => "history",
        ["alerts", "--clear", ..] => "act",
        ["alerts", ..] => "alerts",
        ["recommendations", ..] => "recommendations",
        ["ledger", ..] => "ledger",
        ["host", ..] => "host",
        ["redis", ..] => "redis",
        ["pools", ..] => "pools",
        ["indexes", ..] => "indexes",
        ["record", ..] => "record",
        ["cache", "stats", ..] => "cache-stats",
        ["apply" | "undo", ..] | ["cache", "clear" | "resize" | "ttl" | "warm", ..] => "act",
        other => panic!("no schema for {other:?}"),
    }
}

/// Returns where and why what a command printed is not what its schema says; empty if it is.
///
/// # Panics
///
/// If the schema can't be read.
#[must_use]
pub fn problems(schema: &str, printed: &Value) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../tui/schema")
        .join(format!("{schema}.json"));
    let schema = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let mut problems = Vec::new();
    check(&schema, &schema, printed, "$", &mut problems);
    problems
}

fn check(root: &Value, schema: &Value, value: &Value, at: &str, problems: &mut Vec<String>) {
    // Every other keyword takes it that the type is right.
    if let Some(kind) = schema.get("type") {
        let kinds = kind
            .as_array()
            .map_or(std::slice::from_ref(kind), Vec::as_slice);
        if !kinds.iter().any(|kind| is_a(value, kind)) {
            problems.push(format!("{at}: {value} is no {kind}"));
            return;
        }
    }
    for (keyword, wanted) in schema.as_object().unwrap() {
        let fine = match keyword.as_str() {
            "$schema" | "$id" | "$defs" | "title" | "description" | "then" => true,
            "$ref" => {
                let pointer = wanted.as_str().unwrap().trim_start_matches('#');
                check(root, root.pointer(pointer).unwrap(), value, at, problems);
                true
            }
            "type" => true,
            "const" => value == wanted,
            "enum" => wanted.as_array().unwrap().contains(value),
            "minimum" => value
                .as_f64()
                .is_none_or(|value| value >= wanted.as_f64().unwrap()),
            "minItems" => value.as_array().unwrap().len() >= wanted.as_u64().unwrap() as usize,
            "maxItems" => value.as_array().unwrap().len() <= wanted.as_u64().unwrap() as usize,
            "format" => value
                .as_str()
                .is_none_or(|text| text.ends_with('Z') && text.contains('T')),
            "items" => {
                for (place, item) in value.as_array().unwrap().iter().enumerate() {
                    check(root, wanted, item, &format!("{at}[{place}]"), problems);
                }
                true
            }
            "properties" => {
                for (name, wanted) in wanted.as_object().unwrap() {
                    if let Some(value) = value.get(name) {
                        check(root, wanted, value, &format!("{at}.{name}"), problems);
                    }
                }
                true
            }
            "required" => {
                let names = wanted.as_array().unwrap().iter();
                names
                    .filter_map(Value::as_str)
                    .all(|name| value.get(name).is_some())
            }
            "additionalProperties" => {
                let known = schema["properties"].as_object().unwrap();
                *wanted == Value::Bool(true)
                    || value
                        .as_object()
                        .unwrap()
                        .keys()
                        .all(|name| known.contains_key(name))
            }
            "anyOf" => fitting(root, wanted, value) > 0,
            "oneOf" => fitting(root, wanted, value) == 1,
            "allOf" => {
                for wanted in wanted.as_array().unwrap() {
                    check(root, wanted, value, at, problems);
                }
                true
            }
            "if" => {
                if fits(root, wanted, value) {
                    check(root, &schema["then"], value, at, problems);
                }
                true
            }
            unknown => panic!("the schema uses `{unknown}`, which this validator does not know"),
        };
        if !fine {
            problems.push(format!("{at}: {value} is against {keyword} {wanted}"));
        }
    }
}

fn fits(root: &Value, schema: &Value, value: &Value) -> bool {
    let mut problems = Vec::new();
    check(root, schema, value, "", &mut problems);
    problems.is_empty()
}

fn fitting(root: &Value, schemas: &Value, value: &Value) -> usize {
    schemas
        .as_array()
        .unwrap()
        .iter()
        .filter(|schema| fits(root, schema, value))
        .count()
}

fn is_a(value: &Value, kind: &Value) -> bool {
    match kind.as_str().unwrap() {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => value.is_u64() || value.is_i64(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        kind => panic!("`{kind}` is no type"),
    }
}
