use serde::{Deserialize, Serialize};

use super::{Risk, Timestamp};

/// The version of the vocabulary and of the frames; both ends say theirs first.
///
/// New fields and variants don't raise it, since unknown ones are ignored; a changed meaning does.
pub const PROTOCOL_VERSION: u32 = 1;

/// What a host says of itself before anything else.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "client", derive(Deserialize))]
pub struct Hello {
    /// [`PROTOCOL_VERSION`] of the host.
    pub protocol: u32,
    /// The service's name, as given to the builder.
    pub service: String,
    /// The service's version, if it told one.
    pub version: Option<String>,
    /// The process.
    pub pid: u32,
    /// When the deck was started.
    pub started_at: Timestamp,
    /// The version of the SDK.
    pub sdk: String,
    /// What this viewer may do.
    pub role: Role,
    /// The classes of action that this viewer may apply; empty for an observer.
    pub allows: Vec<Risk>,
}

/// What a viewer may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Look.
    Observe,
    /// Look, and apply what the host allows.
    Control,
}
