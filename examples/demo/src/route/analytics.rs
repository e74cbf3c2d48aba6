//! What a workspace's documents and chats add up to.

use axum::extract::{Path, State};
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

use crate::service::{Desk, Failure};
use crate::store::{Store, on};

pub(crate) const PATH: &str = "/workspaces/{workspace}/analytics";

const DOCUMENTS: &str = "SELECT status, COUNT(*), CAST(SUM(bytes) AS BIGINT) FROM documents
     WHERE workspace_id = $1 GROUP BY status ORDER BY status";

const MESSAGES: &str = "SELECT m.author, COUNT(*) FROM chat_sessions s
     JOIN chat_messages m ON m.session_id = s.id
     WHERE s.workspace_id = $1 GROUP BY m.author ORDER BY m.author";

pub(crate) fn routes() -> Router<Desk> {
    Router::new().route(PATH, get(show))
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Analytics {
    documents: Vec<Documents>,
    messages: Vec<Messages>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Documents {
    status: String,
    count: i64,
    bytes: i64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Messages {
    author: String,
    count: i64,
}

async fn show(
    State(desk): State<Desk>,
    Path(workspace): Path<i64>,
) -> Result<Json<Analytics>, Failure> {
    Ok(Json(analytics(&desk.store, workspace).await?))
}

#[perfdeck::cached(ttl = "5m", namespace = "analytics", key = "workspace", redis)]
async fn analytics(store: &Store, workspace: i64) -> Result<Analytics, sqlx::Error> {
    let documents: Vec<(String, i64, i64)> = on!(store, pool => {
        sqlx::query_as(store.sql(DOCUMENTS)).bind(workspace).fetch_all(pool).await?
    });
    let messages: Vec<(String, i64)> = on!(store, pool => {
        sqlx::query_as(store.sql(MESSAGES)).bind(workspace).fetch_all(pool).await?
    });
    Ok(Analytics {
        documents: documents
            .into_iter()
            .map(|(status, count, bytes)| Documents {
                status,
                count,
                bytes,
            })
            .collect(),
        messages: messages
            .into_iter()
            .map(|(author, count)| Messages { author, count })
            .collect(),
    })
}
