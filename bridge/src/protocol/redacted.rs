use std::fmt;
use std::sync::Arc;

#[cfg(feature = "client")]
use serde::Deserialize;
use serde::Serialize;

/// Text of a statement or a plan after its literals were taken out: the only kind that this protocol carries.
///
/// It is made by naming what takes the literals out, or read from a frame, whose host did so. No plain text becomes one by
/// itself:
///
/// ```compile_fail,E0277
/// # use perfdeck_bridge::protocol::Redacted;
/// let told: Redacted = String::from("SELECT 'secret'").into();
/// ```
///
/// ```compile_fail,E0308
/// # use perfdeck_bridge::protocol::Redacted;
/// let told = Redacted::from("SELECT 'secret'");
/// ```
///
/// ```compile_fail,E0277
/// # use perfdeck_bridge::protocol::Redacted;
/// let told: Redacted = "SELECT 'secret'".parse().unwrap();
/// ```
///
/// ```compile_fail,E0423
/// # use perfdeck_bridge::protocol::Redacted;
/// let told = Redacted("SELECT 'secret'".into());
/// ```
///
/// So a row can't hold one either:
///
/// ```compile_fail,E0308
/// # use perfdeck_bridge::protocol::{Quantities, QueryId, Redacted, RouteStatement};
/// let row = RouteStatement {
///     query: QueryId("1".into()),
///     text: "SELECT 'secret'".to_owned(),
///     calls: 1,
///     per_request: Quantities::default(),
///     time_share: 1.0,
/// };
/// ```
///
/// The one way:
///
/// ```
/// # use perfdeck_bridge::protocol::Redacted;
/// let told = Redacted::through(|sql| sql.replace("'secret'", "?"), "SELECT 'secret'");
/// assert_eq!(told.as_str(), "SELECT ?");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize)]
#[cfg_attr(feature = "client", derive(Deserialize))]
#[serde(transparent)]
pub struct Redacted(Arc<str>);

impl Redacted {
    /// Takes a text's literals out with `redactor`, which answers for what is left.
    #[must_use]
    pub fn through(redactor: impl FnOnce(&str) -> String, text: &str) -> Self {
        Self(redactor(text).into())
    }

    /// Returns the text, which may still be hostile to a terminal.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for Redacted {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for Redacted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
