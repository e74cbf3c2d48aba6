//! A connection of a pool, where no cache waits for what is done on it.

use sqlx::Database;
use sqlx::pool::PoolConnection;

/// A connection of a pool.
pub(super) struct Lent<DB: Database>(PoolConnection<DB>);

impl<DB: Database> Lent<DB> {
    pub(super) const fn new(connection: PoolConnection<DB>, _: Option<()>) -> Self {
        Self(connection)
    }

    pub(super) fn connection(&mut self) -> &mut DB::Connection {
        &mut self.0
    }
}
