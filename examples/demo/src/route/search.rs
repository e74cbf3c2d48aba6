//! A search in a workspace's documents, by any part of their titles.

use axum::extract::{Path, Query, State};
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

use crate::service::{Desk, Failure};
use crate::store::on;

pub(crate) const PATH: &str = "/workspaces/{workspace}/search";

const SEARCH: &str = "SELECT id, title FROM documents WHERE workspace_id = $1 AND title LIKE $2 ORDER BY id LIMIT 20";

pub(crate) fn routes() -> Router<Desk> {
    Router::new().route(PATH, get(search))
}

#[derive(Debug, Deserialize)]
struct Wanted {
    q: String,
}

#[derive(Debug, Serialize)]
struct Hit {
    id: i64,
    title: String,
}

async fn search(
    State(desk): State<Desk>,
    Path(workspace): Path<i64>,
    Query(wanted): Query<Wanted>,
) -> Result<Json<Vec<Hit>>, Failure> {
    let pattern = format!("%{}%", wanted.q);
    let rows: Vec<(i64, String)> = on!(desk.store, pool => {
        sqlx::query_as(desk.store.sql(SEARCH))
            .bind(workspace)
            .bind(&pattern)
            .fetch_all(pool)
            .await?
    });
    let hits = rows.into_iter().map(|(id, title)| Hit { id, title });
    Ok(Json(hits.collect()))
}
