//! Fills the tables: the same rows every time, and most of them with a few workspaces.

mod insert;
mod table;

use crate::store::{Store, on};

pub(crate) use table::{NOW, SESSIONS, WORKSPACES, embed_key, session_workspace};

/// Fills every table and lets the database count what is there.
pub(crate) async fn fill(store: &Store, mut report: impl FnMut(u64)) -> anyhow::Result<()> {
    let mut rows = 0;
    for table in table::all() {
        rows += insert::insert(store, table).await?;
        report(rows);
    }
    on!(store, pool => sqlx::query("ANALYZE").execute(pool.inner()).await.map(drop))?;
    Ok(())
}

/// Mixes bits (splitmix64): neighbours come out far apart, and always the same.
pub(crate) const fn scramble(seed: u64) -> u64 {
    let x = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}
