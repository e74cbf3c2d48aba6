//! A new message in a chat session.

use std::time::{SystemTime, UNIX_EPOCH};

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

use crate::service::{Desk, Failure};
use crate::store::{Store, on};

pub(crate) const PATH: &str = "/workspaces/{workspace}/sessions/{session}/messages";

/// Locks the session's row, so that two messages at once get different places.
const TOUCH: &str = "UPDATE chat_sessions SET messages = messages + 1, last_message_at = $1
     WHERE id = $2 AND workspace_id = $3 RETURNING messages";

const ADD: &str = "INSERT INTO chat_messages (session_id, position, author, body, sent_at)
     VALUES ($1, $2, $3, $4, $5)";

pub(crate) fn routes() -> Router<Desk> {
    Router::new().route(PATH, post(add))
}

#[derive(Debug, Deserialize)]
struct NewMessage {
    author: String,
    body: String,
}

#[derive(Debug, Serialize)]
struct Added {
    position: i64,
    /// Messages of the workspace in this minute, in all instances, where they share a Redis that answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    this_minute: Option<i64>,
}

async fn add(
    State(desk): State<Desk>,
    Path((workspace, session)): Path<(i64, i64)>,
    Json(message): Json<NewMessage>,
) -> Result<(StatusCode, Json<Added>), Failure> {
    let position = insert(&desk.store, workspace, session, &message)
        .await?
        .ok_or(Failure::NotFound("session"))?;
    desk.deck.counter("chat.messages").add(1);
    desk.deck
        .histogram("chat.message.bytes")
        .record(message.body.len() as f64);
    let this_minute = count(&desk, workspace).await;
    let added = Added {
        position,
        this_minute,
    };
    Ok((StatusCode::CREATED, Json(added)))
}

/// Counts the message; a count is not worth an error.
async fn count(desk: &Desk, workspace: i64) -> Option<i64> {
    let minute = desk.minute.as_ref()?;
    minute.add(workspace).await.ok()?;
    minute.count(workspace).await.ok()
}

/// Adds the message and returns its place, or `None` if the workspace has no such session.
#[perfdeck::cache_invalidate("analytics", key = "workspace")]
async fn insert(
    store: &Store,
    workspace: i64,
    session: i64,
    message: &NewMessage,
) -> Result<Option<i64>, sqlx::Error> {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs() as i64);
    on!(store, pool => {
        let mut transaction = pool.begin().await?;
        let position: Option<i64> = sqlx::query_scalar(store.sql(TOUCH))
            .bind(now)
            .bind(session)
            .bind(workspace)
            .fetch_optional(&mut *transaction)
            .await?;
        let Some(position) = position else {
            return Ok(None);
        };
        sqlx::query(store.sql(ADD))
            .bind(session)
            .bind(position)
            .bind(&message.author)
            .bind(&message.body)
            .bind(now)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(Some(position))
    })
}
