//! The service: its routes, and what every handler shares.

use std::sync::Arc;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use perfdeck::Deck;
use serde_json::json;

use crate::minute::Minute;
use crate::route;
use crate::store::Store;

/// What every handler gets.
#[derive(Debug, Clone)]
pub(crate) struct Desk {
    /// What observes the service, and counts for it.
    pub(crate) deck: Deck,
    /// The database.
    pub(crate) store: Arc<Store>,
    /// How sessions are read.
    pub(crate) reading: Reading,
    /// What all instances know of the present minute, where they share a Redis.
    pub(crate) minute: Option<Minute>,
}

/// How a list of sessions gets its messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reading {
    /// One statement a session.
    OneByOne,
    /// One statement for all of them.
    Batched,
}

/// Builds the service; `headers` tell what each response cost.
pub(crate) fn router(desk: Desk, headers: bool) -> axum::Router {
    axum::Router::new()
        .merge(route::document::routes())
        .merge(route::session::routes())
        .merge(route::message::routes())
        .merge(route::analytics::routes())
        .merge(route::embed::routes())
        .merge(route::search::routes())
        .merge(route::export::routes())
        .merge(route::webhook::routes())
        .layer(desk.deck.http_layer().headers(headers))
        .with_state(desk)
}

/// Why a request got no answer.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Nothing is there.
    NotFound(&'static str),
    /// Somebody we depend on did not answer.
    Upstream(&'static str),
    /// The database refused.
    Database(sqlx::Error),
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let (status, message) = match self {
            Self::NotFound(what) => (StatusCode::NOT_FOUND, format!("no such {what}")),
            Self::Upstream(who) => (StatusCode::BAD_GATEWAY, format!("{who} did not answer")),
            Self::Database(sqlx::Error::PoolTimedOut) => {
                (StatusCode::SERVICE_UNAVAILABLE, "too busy".to_owned())
            }
            Self::Database(_) => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "the database refused".to_owned(),
            ),
        };
        (status, Json(json!({ "error": message }))).into_response()
    }
}
