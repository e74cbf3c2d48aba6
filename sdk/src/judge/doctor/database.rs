//! Databases: whether they can be asked about indexes.

use perfdeck_bridge::protocol::{BlindSpot, Blindness};

use super::{Advice, Pool, spot};

/// The advice on one pool is guessed, or there is none.
pub(super) fn advice(pool: &Pool) -> Option<BlindSpot> {
    let name = &pool.name;
    match &pool.advice {
        Advice::Failed(error) => Some(spot(
            "database_not_asked",
            Blindness::Blind,
            format!("advice on the indexes of `{name}`"),
            error,
            "see that the service's role may read the catalog",
        )),
        Advice::Modelled => Some(spot(
            "hypopg_missing",
            Blindness::Partly,
            format!("proof of the advice on the indexes of `{name}`"),
            "it is estimated from statistics: the service's role finds no extension `hypopg` to ask the \
             planner with",
            "CREATE EXTENSION hypopg",
        )),
        Advice::None | Advice::Open | Advice::Planned => None,
    }
}
