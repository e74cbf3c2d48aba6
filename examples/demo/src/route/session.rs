//! The latest chat sessions of a workspace, with their messages.

use std::collections::HashMap;

use axum::extract::{Path, State};
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;

use crate::service::{Desk, Failure, Reading};
use crate::store::{Store, on};

pub(crate) const PATH: &str = "/workspaces/{workspace}/sessions";

const LATEST: &str = "SELECT id, subject, state, started_at FROM chat_sessions
     WHERE workspace_id = $1 ORDER BY started_at DESC LIMIT 20";

const MESSAGES: &str =
    "SELECT position, author, body FROM chat_messages WHERE session_id = $1 ORDER BY position";

const MESSAGES_OF_LATEST: &str =
    "SELECT session_id, position, author, body FROM chat_messages WHERE session_id IN
         (SELECT id FROM chat_sessions WHERE workspace_id = $1 ORDER BY started_at DESC LIMIT 20)
     ORDER BY session_id, position";

pub(crate) fn routes() -> Router<Desk> {
    Router::new().route(PATH, get(list))
}

#[derive(Debug, Serialize)]
struct Session {
    id: i64,
    subject: String,
    state: String,
    started_at: i64,
    messages: Vec<Message>,
}

#[derive(Debug, Serialize)]
struct Message {
    position: i64,
    author: String,
    body: String,
}

async fn list(
    State(desk): State<Desk>,
    Path(workspace): Path<i64>,
) -> Result<Json<Vec<Session>>, Failure> {
    let mut sessions = latest(&desk.store, workspace).await?;
    match desk.reading {
        Reading::OneByOne => {
            for session in &mut sessions {
                session.messages = messages(&desk.store, session.id).await?;
            }
        }
        Reading::Batched => {
            let mut by_session = messages_of_latest(&desk.store, workspace).await?;
            for session in &mut sessions {
                session.messages = by_session.remove(&session.id).unwrap_or_default();
            }
        }
    }
    Ok(Json(sessions))
}

async fn latest(store: &Store, workspace: i64) -> Result<Vec<Session>, sqlx::Error> {
    let rows: Vec<(i64, String, String, i64)> = on!(store, pool => {
        sqlx::query_as(store.sql(LATEST)).bind(workspace).fetch_all(pool).await?
    });
    let session = |(id, subject, state, started_at)| Session {
        id,
        subject,
        state,
        started_at,
        messages: Vec::new(),
    };
    Ok(rows.into_iter().map(session).collect())
}

async fn messages(store: &Store, session: i64) -> Result<Vec<Message>, sqlx::Error> {
    let rows: Vec<(i64, String, String)> = on!(store, pool => {
        sqlx::query_as(store.sql(MESSAGES)).bind(session).fetch_all(pool).await?
    });
    let message = |(position, author, body)| Message {
        position,
        author,
        body,
    };
    Ok(rows.into_iter().map(message).collect())
}

async fn messages_of_latest(
    store: &Store,
    workspace: i64,
) -> Result<HashMap<i64, Vec<Message>>, sqlx::Error> {
    let rows: Vec<(i64, i64, String, String)> = on!(store, pool => {
        sqlx::query_as(store.sql(MESSAGES_OF_LATEST)).bind(workspace).fetch_all(pool).await?
    });
    let mut by_session: HashMap<i64, Vec<Message>> = HashMap::new();
    for (session, position, author, body) in rows {
        by_session.entry(session).or_default().push(Message {
            position,
            author,
            body,
        });
    }
    Ok(by_session)
}
