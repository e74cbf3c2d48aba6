//! Floor 1: the text of a statement and what it means. Pure; knows no database.
//!
//! [`redacted`] takes any text and gives what statements of one shape have in common, without a literal in it; no text of
//! a statement leaves the process but through it. `accesses` reads a statement with a parser and says which columns of which
//! tables it narrows, joins and orders by; what the parser does not know is no access, never an error.

#[cfg(feature = "advisor")]
pub(crate) mod access;
#[cfg(all(feature = "_sqlx", feature = "cache"))]
pub(crate) mod control;
#[cfg(all(test, feature = "advisor", feature = "query-cache"))]
mod corpus;
#[cfg(feature = "advisor")]
mod expression;
pub(crate) mod fault;
pub(crate) mod fingerprint;
mod hash;
pub(crate) mod name;
#[cfg(feature = "advisor")]
mod outline;
#[cfg(feature = "advisor")]
pub(crate) mod parse;
#[cfg(feature = "advisor")]
mod predicate;
pub(crate) mod redacted;
#[cfg(feature = "query-cache")]
pub(crate) mod relation;
mod token;

/// Hashes bytes to the same number in every process and build.
pub(crate) fn stable_hash(bytes: &[u8]) -> u64 {
    hash::stable(bytes)
}
