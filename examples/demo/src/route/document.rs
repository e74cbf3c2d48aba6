//! The documents of a workspace, newest first.

use axum::extract::{Path, Query, State};
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

use crate::service::{Desk, Failure};
use crate::store::on;

pub(crate) const PATH: &str = "/workspaces/{workspace}/documents";

const LIST: &str = "SELECT id, title, status, bytes, uploaded_at FROM documents
     WHERE workspace_id = $1 AND status = $2 ORDER BY uploaded_at DESC LIMIT $3";

pub(crate) fn routes() -> Router<Desk> {
    Router::new().route(PATH, get(list))
}

#[derive(Debug, Deserialize)]
struct Wanted {
    #[serde(default = "ready")]
    status: String,
    #[serde(default = "page")]
    limit: i64,
}

fn ready() -> String {
    "ready".to_owned()
}

const fn page() -> i64 {
    20
}

#[derive(Debug, Serialize)]
struct Document {
    id: i64,
    title: String,
    status: String,
    bytes: i64,
    uploaded_at: i64,
}

async fn list(
    State(desk): State<Desk>,
    Path(workspace): Path<i64>,
    Query(wanted): Query<Wanted>,
) -> Result<Json<Vec<Document>>, Failure> {
    let rows: Vec<(i64, String, String, i64, i64)> = on!(desk.store, pool => {
        sqlx::query_as(desk.store.sql(LIST))
            .bind(workspace)
            .bind(&wanted.status)
            .bind(wanted.limit.clamp(1, 100))
            .fetch_all(pool)
            .await?
    });
    let document = |(id, title, status, bytes, uploaded_at)| Document {
        id,
        title,
        status,
        bytes,
        uploaded_at,
    };
    Ok(Json(rows.into_iter().map(document).collect()))
}
