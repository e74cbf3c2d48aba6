//! What the databases said an index would change, kept as facts.

#[cfg(all(feature = "advisor", feature = "_sqlx"))]
pub(super) mod round;

use std::collections::HashMap;

use perfdeck_bridge::protocol::FindingId;

use super::Agent;
use super::act::Made;
use crate::judge::facts::{IndexFact, TextFact};
use crate::judge::finding::missing_index_id;

/// What one round found.
#[derive(Debug, Default)]
pub(crate) struct Verified {
    pub(crate) indexes: Vec<IndexFact>,
    pub(crate) texts: Vec<TextFact>,
    /// What each finding would make.
    pub(crate) proposals: HashMap<FindingId, Made>,
    /// How long the databases were asked.
    #[cfg(all(feature = "advisor", feature = "_sqlx"))]
    pub(crate) took: std::time::Duration,
    /// How often indexes were looked up so far, by their pools and names.
    #[cfg(all(feature = "advisor", feature = "_sqlx"))]
    pub(crate) scans: Vec<(String, i64)>,
    /// Pools whose database could not be asked, and why.
    pub(crate) failures: Vec<(String, String)>,
}

impl Agent {
    /// Takes in what a round found.
    ///
    /// What a pool's database said before stays while it can't be asked.
    pub(super) fn verified(&mut self, mut verified: Verified) {
        self.verifying = false;
        #[cfg(all(feature = "advisor", feature = "_sqlx"))]
        self.rest(verified.took);
        #[cfg(all(feature = "advisor", feature = "_sqlx"))]
        self.watch(std::mem::take(&mut verified.scans));
        for fact in std::mem::take(&mut self.verified.indexes) {
            let id = missing_index_id(&fact);
            if verified.failures.iter().any(|(pool, _)| *pool == fact.pool) {
                if let Some(made) = self.verified.proposals.remove(&id) {
                    verified.proposals.insert(id, made);
                }
                verified.indexes.push(fact);
            }
        }
        for fact in std::mem::take(&mut self.verified.texts) {
            if verified.failures.iter().any(|(pool, _)| *pool == fact.pool) {
                verified.texts.push(fact);
            }
        }
        self.facts.indexes.clone_from(&verified.indexes);
        self.facts.texts.clone_from(&verified.texts);
        self.verified = verified;
    }
}
