//! Floor 3: what can be done, and what it brought.
//!
//! Every action is previewed, then applied by the plan that the preview made, then measured, then kept or undone. A plan is
//! good once, for a minute, on the connection that asked for it; what it rests on is read again before it is carried
//! out. Everything that was applied is a row of the [`ledger`].

pub(crate) mod draft;
pub(crate) mod ledger;
pub(crate) mod measure;
pub(crate) mod plan;
pub(crate) mod spread;

pub(crate) use draft::{Draft, Job};
pub(crate) use plan::{Plan, Plans};
