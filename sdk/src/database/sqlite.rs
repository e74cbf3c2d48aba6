//! Connections to SQLite beside the pool.
