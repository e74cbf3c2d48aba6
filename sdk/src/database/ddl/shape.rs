//! What an index is made of.

use crate::database::Engine;
use crate::database::error::Error;
use crate::database::identifier::quote;

/// An index without its table: what is looked up in it, in which order, and which rows are in it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(crate) struct Shape {
    pub(crate) method: Method,
    pub(crate) keys: Vec<Key>,
    /// Columns that are only carried along, so that the table need not be read for them.
    pub(crate) include: Vec<String>,
    /// The condition of the rows that are in it; all, if there is none.
    pub(crate) predicate: Option<String>,
}

/// How an index is organised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) enum Method {
    #[default]
    Btree,
    /// For what is inside documents, arrays and texts.
    Gin,
}

/// One key of an index.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) on: On,
    pub(crate) descending: bool,
    /// Nulls at the other end than is customary.
    pub(crate) odd_nulls: bool,
    /// Words behind the key: an operator class, or a collation.
    pub(crate) class: Option<&'static str>,
}

/// What a key is on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum On {
    /// A column, by its name in the catalog.
    Column(String),
    /// An expression, with its columns in quotes.
    Expression(String),
}

impl Key {
    pub(crate) fn column(name: impl Into<String>) -> Self {
        Self::of(On::Column(name.into()))
    }

    pub(crate) const fn of(on: On) -> Self {
        Self {
            on,
            descending: false,
            odd_nulls: false,
            class: None,
        }
    }

    /// The column, if it is one and nothing else is said of it but its direction.
    pub(crate) fn plain(&self) -> Option<&str> {
        match &self.on {
            On::Column(name) if self.class.is_none() && !self.odd_nulls => Some(name),
            On::Column(_) | On::Expression(_) => None,
        }
    }

    /// What it is called in a title and in an index's name.
    pub(crate) fn word(&self) -> &str {
        match &self.on {
            On::Column(name) => name,
            On::Expression(text) => text,
        }
    }

    fn written(&self) -> Result<String, Error> {
        let mut text = match &self.on {
            On::Column(name) => quote(name)?,
            On::Expression(text) => format!("({text})"),
        };
        if let Some(class) = self.class {
            text = format!("{text} {class}");
        }
        if self.descending {
            text.push_str(" DESC");
        }
        if self.odd_nulls {
            text.push_str(if self.descending {
                " NULLS LAST"
            } else {
                " NULLS FIRST"
            });
        }
        Ok(text)
    }
}

impl Shape {
    pub(crate) fn of(keys: Vec<Key>) -> Self {
        Self {
            keys,
            ..Self::default()
        }
    }

    /// Whether it is a plain index: all rows, by columns in their usual order.
    pub(crate) fn is_plain(&self) -> bool {
        self.method == Method::Btree
            && self.include.is_empty()
            && self.predicate.is_none()
            && self.keys.iter().all(|key| key.plain().is_some())
    }

    /// Writes what stands behind the table's name.
    pub(super) fn written(&self, engine: Engine) -> Result<String, Error> {
        let keys: Result<Vec<String>, Error> = self.keys.iter().map(Key::written).collect();
        let mut text = format!("({})", keys?.join(", "));
        if self.method == Method::Gin {
            text = format!("USING gin {text}");
        }
        if !self.include.is_empty() && engine == Engine::Postgres {
            let columns: Result<Vec<String>, Error> =
                self.include.iter().map(|name| quote(name)).collect();
            text = format!("{text} INCLUDE ({})", columns?.join(", "));
        }
        if let Some(predicate) = &self.predicate {
            text = format!("{text} WHERE {predicate}");
        }
        Ok(text)
    }

    /// What a person reads of it, a part each: the keys, what is carried along, and which rows.
    pub(crate) fn words(&self) -> Vec<String> {
        let mut words: Vec<String> = self
            .keys
            .iter()
            .map(|key| {
                let class = key.class.map(|class| format!(" {class}"));
                let direction = if key.descending { " DESC" } else { "" };
                format!("{}{}{direction}", key.word(), class.unwrap_or_default())
            })
            .collect();
        if !self.include.is_empty() {
            words.push(format!("INCLUDE {}", self.include.join(", ")));
        }
        if let (Some(predicate), Some(last)) = (&self.predicate, words.last_mut()) {
            *last = format!("{last} WHERE {predicate}");
        }
        words
    }

    /// What tells it from another with the same columns; nothing for the customary.
    pub(super) fn identity(&self) -> String {
        let mut identity = String::new();
        if self.keys.iter().any(|key| key.descending) {
            let directions = self
                .keys
                .iter()
                .map(|key| if key.descending { 'd' } else { 'a' });
            let first_ascending = self.keys.first().is_some_and(|key| !key.descending);
            let only_last = self.keys.iter().rev().skip(1).all(|key| !key.descending);
            if !(first_ascending && only_last) {
                identity.extend(directions);
            }
        }
        if !self.is_plain() {
            identity.push_str(&format!("{self:?}"));
        }
        identity
    }
}
