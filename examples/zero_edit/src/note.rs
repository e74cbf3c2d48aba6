//! Notes in SQLite; nothing here knows of perfdeck.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use sqlx::SqlitePool;
use sqlx::sqlite::SqlitePoolOptions;

const NOTES: i64 = 20_000;

/// Makes the service, with some notes to begin with.
pub(crate) async fn router() -> sqlx::Result<Router> {
    // In memory each connection would have a database of its own.
    let pool = SqlitePoolOptions::new()
        .max_connections(1)
        .connect("sqlite::memory:")
        .await?;
    sqlx::query(
        "CREATE TABLE notes (id INTEGER PRIMARY KEY, owner TEXT NOT NULL, text TEXT NOT NULL)",
    )
    .execute(&pool)
    .await?;
    sqlx::query(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1)
         INSERT INTO notes (owner, text) SELECT 'owner' || (i % 500), 'note ' || i FROM n",
    )
    .bind(NOTES)
    .execute(&pool)
    .await?;
    Ok(Router::new()
        .route("/notes/{id}", get(show))
        .route("/owners/{owner}/notes", get(list).post(add))
        .with_state(pool))
}

async fn show(
    State(pool): State<SqlitePool>,
    Path(id): Path<i64>,
) -> Result<Json<String>, StatusCode> {
    sqlx::query_scalar("SELECT text FROM notes WHERE id = $1")
        .bind(id)
        .fetch_optional(&pool)
        .await
        .map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?
        .map(Json)
        .ok_or(StatusCode::NOT_FOUND)
}

async fn list(
    State(pool): State<SqlitePool>,
    Path(owner): Path<String>,
) -> Result<Json<Vec<String>>, StatusCode> {
    sqlx::query_scalar("SELECT text FROM notes WHERE owner = $1 ORDER BY id DESC LIMIT 20")
        .bind(owner)
        .fetch_all(&pool)
        .await
        .map(Json)
        .map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
}

async fn add(
    State(pool): State<SqlitePool>,
    Path(owner): Path<String>,
    text: String,
) -> Result<StatusCode, StatusCode> {
    sqlx::query("INSERT INTO notes (owner, text) VALUES ($1, $2)")
        .bind(owner)
        .bind(text)
        .execute(&pool)
        .await
        .map(|_| StatusCode::CREATED)
        .map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
}
