//! What a statement returns, as a hash, where it is asked for again and again.

#[cfg(feature = "query-cache")]
pub(super) use looked_at::Rows;

/// Rows that nobody looks at.
#[cfg(not(feature = "query-cache"))]
pub(super) trait Rows {}

#[cfg(not(feature = "query-cache"))]
impl<R> Rows for R {}

#[cfg(feature = "query-cache")]
mod looked_at {
    use sqlx::Row as _;

    use crate::observe::repeat::digest::Digest;

    /// Rows whose values can be looked at.
    pub(in crate::observe::executor) trait Rows {
        fn add_to(&self, digest: &mut Digest);
    }

    #[cfg(feature = "sqlx-postgres")]
    impl Rows for sqlx::postgres::PgRow {
        fn add_to(&self, digest: &mut Digest) {
            for column in 0..self.len() {
                let value = self.try_get_raw(column).ok();
                digest.value(value.and_then(|value| value.as_bytes().ok()));
            }
        }
    }

    #[cfg(feature = "sqlx-sqlite")]
    impl Rows for sqlx::sqlite::SqliteRow {
        fn add_to(&self, digest: &mut Digest) {
            use sqlx::{Decode, Value as _, ValueRef as _};
            for column in 0..self.len() {
                let value = self.try_get_raw(column).ok();
                let value = value.filter(|value| !value.is_null());
                // A copy: sqlx lends a value's bytes to the first that asks, and the host has yet to.
                let copy = value.and_then(|value| value.try_to_owned().ok());
                let bytes = copy.as_ref().and_then(|copy| {
                    <&[u8] as Decode<'_, sqlx::Sqlite>>::decode(copy.as_ref()).ok()
                });
                digest.value(bytes);
            }
        }
    }
}
