//! The tables, the same on both databases. Moments are whole seconds since the epoch.

use crate::store::{Store, on};

/// The tables, with their primary keys and no other index.
pub(crate) const TABLES: [&str; 6] = [
    "CREATE TABLE workspaces (
         id BIGINT PRIMARY KEY, name TEXT NOT NULL, plan TEXT NOT NULL, created_at BIGINT NOT NULL)",
    "CREATE TABLE users (
         id BIGINT PRIMARY KEY, workspace_id BIGINT NOT NULL, email TEXT NOT NULL, name TEXT NOT NULL)",
    "CREATE TABLE documents (
         id BIGINT PRIMARY KEY, workspace_id BIGINT NOT NULL, uploader_id BIGINT NOT NULL, title TEXT NOT NULL,
         status TEXT NOT NULL, bytes BIGINT NOT NULL, uploaded_at BIGINT NOT NULL, body TEXT NOT NULL)",
    "CREATE TABLE chat_sessions (
         id BIGINT PRIMARY KEY, workspace_id BIGINT NOT NULL, subject TEXT NOT NULL, state TEXT NOT NULL,
         started_at BIGINT NOT NULL, last_message_at BIGINT NOT NULL, messages BIGINT NOT NULL)",
    "CREATE TABLE chat_messages (
         session_id BIGINT NOT NULL, position BIGINT NOT NULL, author TEXT NOT NULL, body TEXT NOT NULL,
         sent_at BIGINT NOT NULL, PRIMARY KEY (session_id, position))",
    "CREATE TABLE embed_codes (
         id BIGINT PRIMARY KEY, workspace_id BIGINT NOT NULL, client_key TEXT NOT NULL, origin TEXT NOT NULL)",
];

/// What somebody who had looked would have added.
pub(crate) const INDEXES: [&str; 5] = [
    "CREATE INDEX ON documents (workspace_id, status, uploaded_at DESC)",
    "CREATE INDEX ON documents (workspace_id, id)",
    "CREATE INDEX ON chat_sessions (workspace_id, started_at DESC)",
    "CREATE INDEX ON chat_sessions (state, last_message_at)",
    "CREATE UNIQUE INDEX ON embed_codes (client_key)",
];

/// Creates the tables.
pub(crate) async fn create(store: &Store) -> anyhow::Result<()> {
    for table in TABLES {
        on!(store, pool => sqlx::query(store.sql(table)).execute(pool.inner()).await.map(drop))?;
    }
    Ok(())
}

/// Creates the indexes of the well-kept service.
pub(crate) async fn create_indexes(store: &Store) -> anyhow::Result<()> {
    for (number, index) in (1..).zip(INDEXES) {
        // SQLite wants a name; both take one.
        let named = store
            .text(index)
            .replacen(" ON ", &format!(" desk_{number} ON "), 1);
        let named = sqlx::AssertSqlSafe(named);
        on!(store, pool => sqlx::query(named).execute(pool.inner()).await.map(drop))?;
    }
    Ok(())
}
