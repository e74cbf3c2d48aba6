//! Connections to PostgreSQL beside the pool.
