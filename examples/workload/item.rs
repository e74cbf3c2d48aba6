//! The workload's file.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, ensure};
use serde::Deserialize;
use serde_json::Value;

/// One statement of the workload.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Item {
    #[serde(default)]
    id: Value,
    pub(crate) sql: String,
    /// How often it is called, compared with the others.
    #[serde(default = "one")]
    pub(crate) weight: f64,
    /// What it is called with, one list a call in turns.
    #[serde(default)]
    pub(crate) params: Vec<Vec<Value>>,
}

const fn one() -> f64 {
    1.0
}

impl Item {
    pub(crate) fn read(path: &Path) -> anyhow::Result<Vec<Self>> {
        let text = fs::read_to_string(path)
            .with_context(|| format!("could not read {}", path.display()))?;
        let items: Vec<Self> = serde_json::from_str(&text).with_context(|| {
            format!(
                "{} is not [{{\"id\", \"sql\", \"weight\", \"params\": [[...], ...]}}]",
                path.display()
            )
        })?;
        ensure!(!items.is_empty(), "{} has no statement", path.display());
        for item in &items {
            ensure!(
                item.weight.is_finite() && item.weight >= 0.0,
                "the weight of {} is {}",
                item.name(),
                item.weight
            );
        }
        ensure!(
            items.iter().any(|item| item.weight > 0.0),
            "no statement has a weight"
        );
        Ok(items)
    }

    /// What it is called where something is said of it.
    pub(crate) fn name(&self) -> String {
        match &self.id {
            Value::Null => self.sql.chars().take(40).collect(),
            Value::String(id) => id.clone(),
            id => id.to_string(),
        }
    }

    /// Whether it may change something, by its words.
    pub(crate) fn writes(&self) -> bool {
        let words = words(&self.sql);
        let changes = |word: &String| {
            matches!(
                word.as_str(),
                "insert" | "update" | "delete" | "merge" | "replace" | "truncate"
            )
        };
        match words.first().map(String::as_str) {
            Some("select" | "values" | "table" | "show" | "explain" | "pragma") => {
                // `FOR UPDATE` locks rows for the transaction, and needs one that may write.
                words.windows(2).any(|pair| {
                    matches!(pair, [one, other] if one == "for" && matches!(other.as_str(), "update" | "share" | "no" | "key"))
                })
            }
            Some("with") => words.iter().any(changes),
            _ => true,
        }
    }
}

/// The words of a statement, in small letters, without comments and texts.
fn words(sql: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = sql;
    while let Some(first) = rest.chars().next() {
        let skipped = if rest.starts_with("--") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if first == '\'' || first == '"' {
            rest.get(1..)
                .and_then(|inner| inner.find(first))
                .map_or(rest.len(), |end| end + 2)
        } else if first.is_alphabetic() || first == '_' {
            let end = rest.find(|letter: char| !letter.is_alphanumeric() && letter != '_');
            let end = end.unwrap_or(rest.len());
            words.extend(rest.get(..end).map(str::to_lowercase));
            end
        } else {
            first.len_utf8()
        };
        rest = rest.get(skipped..).unwrap_or_default();
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_writes_is_told_by_its_words() {
        let writes = |sql: &str| {
            let item = Item {
                id: Value::Null,
                sql: sql.into(),
                weight: 1.0,
                params: Vec::new(),
            };
            item.writes()
        };
        assert!(writes("INSERT INTO t VALUES (1)"));
        assert!(writes(
            "/* a */ with x as (delete from t returning *) select * from x"
        ));
        assert!(writes("SELECT * FROM t FOR UPDATE"));
        assert!(!writes("SELECT 'delete' FROM t -- update"));
        assert!(!writes(
            "WITH x AS (SELECT \"update\" FROM t) SELECT * FROM x"
        ));
    }
}
