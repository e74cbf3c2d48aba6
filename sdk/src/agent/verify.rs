//! What the databases said an index would change, kept as facts.

#[cfg(all(feature = "advisor", feature = "_sqlx"))]
mod round;

use std::collections::HashMap;

use perfdeck_bridge::protocol::FindingId;

use super::Agent;
use super::act::Made;
use crate::judge::facts::IndexFact;

/// What one round found.
#[derive(Debug, Default)]
pub(crate) struct Verified {
    pub(crate) indexes: Vec<IndexFact>,
    /// What each finding would make.
    pub(crate) proposals: HashMap<FindingId, Made>,
    /// Pools whose database could not be asked, and why.
    pub(crate) failures: Vec<(String, String)>,
}

impl Agent {
    /// Takes in what a round found.
    pub(super) fn verified(&mut self, verified: Verified) {
        self.verifying = false;
        self.facts.indexes.clone_from(&verified.indexes);
        self.verified = verified;
    }
}
