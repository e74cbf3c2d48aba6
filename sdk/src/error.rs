use std::fmt;

/// Why a deck could not be started, or a call on it not be done.
#[derive(Debug)]
pub struct Error(Box<Kind>);

#[derive(Debug, thiserror::Error)]
pub(crate) enum Kind {
    #[error("{0}")]
    Config(String),
    #[error("could not serve the deck's socket")]
    Bind(#[source] perfdeck_bridge::Error),
    #[error("could not start the deck's thread")]
    Thread(#[source] std::io::Error),
    #[error("could not open the ledger {path}")]
    Ledger {
        path: String,
        source: std::io::Error,
    },
}

impl Error {
    /// Returns whether the builder was given something that can't be, or a limit was set that can't be one.
    #[must_use]
    pub fn is_config(&self) -> bool {
        matches!(*self.0, Kind::Config(_))
    }

    /// Returns whether the socket could not be bound.
    #[must_use]
    pub fn is_bind(&self) -> bool {
        matches!(*self.0, Kind::Bind(_))
    }
}

impl From<Kind> for Error {
    fn from(kind: Kind) -> Self {
        Self(Box::new(kind))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        std::error::Error::source(&*self.0)
    }
}
