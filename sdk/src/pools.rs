//! The host's pools by name.

use std::sync::{Mutex, PoisonError};

#[cfg(feature = "_sqlx")]
use crate::database::Handle;

/// Pools that can be named; further ones share the place of the unknown.
const MAX_POOLS: usize = 64;

/// The pools of one deck; a pool's number is its place, and 0 is for those that are not known.
#[derive(Debug)]
pub(crate) struct Pools {
    named: Mutex<Vec<Named>>,
}

/// One pool.
#[derive(Debug, Clone)]
pub(crate) struct Named {
    pub(crate) name: String,
    pub(crate) database: &'static str,
    #[cfg(feature = "_sqlx")]
    pub(crate) handle: Option<Handle>,
}

impl Default for Pools {
    fn default() -> Self {
        let unknown = Named {
            name: "sqlx".into(),
            database: "",
            #[cfg(feature = "_sqlx")]
            handle: None,
        };
        Self {
            named: Mutex::new(vec![unknown]),
        }
    }
}

impl Pools {
    /// Names a pool; returns its number.
    #[cfg(feature = "_sqlx")]
    pub(crate) fn add<DB: sqlx::Database>(&self, name: &str, pool: &sqlx::Pool<DB>) -> u16 {
        let database = match DB::NAME {
            "PostgreSQL" => "postgresql",
            "SQLite" => "sqlite",
            other => other,
        };
        let mut named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        let place = match named.iter().position(|pool| pool.name == name) {
            Some(place) => place,
            None if named.len() < MAX_POOLS => named.len(),
            None => return 0,
        };
        let pool = Named {
            name: name.into(),
            database,
            handle: Handle::of(pool),
        };
        if place == named.len() {
            named.push(pool);
        } else {
            named[place] = pool;
        }
        place as u16
    }

    /// All pools, by number.
    pub(crate) fn all(&self) -> Vec<Named> {
        self.named
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Holds the lock, for a test to poison it.
    #[cfg(test)]
    pub(crate) fn hold(&self) -> std::sync::MutexGuard<'_, Vec<Named>> {
        self.named.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn get(&self, number: u16) -> Option<Named> {
        let named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        named.get(usize::from(number)).cloned()
    }
}

impl Named {
    /// Connections open, in use, and the most there may be; `None` for a pool that is not known.
    pub(crate) fn occupancy(&self) -> Option<(u32, u32, u32)> {
        #[cfg(feature = "_sqlx")]
        if let Some(handle) = &self.handle {
            let occupancy = handle.occupancy();
            return Some((
                occupancy.size,
                occupancy.size.saturating_sub(occupancy.idle),
                occupancy.max,
            ));
        }
        None
    }
}
