//! All documents of a workspace, a JSON document a line, sent in pieces.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::stream;
use serde::Serialize;

use crate::service::{Desk, Failure};
use crate::store::on;

pub(crate) const PATH: &str = "/workspaces/{workspace}/export";

/// Documents in one piece of the body.
const PIECE: usize = 200;

const ALL: &str =
    "SELECT id, title, status, bytes, uploaded_at, body FROM documents WHERE workspace_id = $1";

pub(crate) fn routes() -> Router<Desk> {
    Router::new().route(PATH, get(export))
}

type Row = (i64, String, String, i64, i64, String);

#[derive(Serialize)]
struct Line<'a> {
    id: i64,
    title: &'a str,
    status: &'a str,
    bytes: i64,
    uploaded_at: i64,
    body: &'a str,
}

async fn export(State(desk): State<Desk>, Path(workspace): Path<i64>) -> Result<Response, Failure> {
    let mut rows: Vec<Row> = on!(desk.store, pool => {
        sqlx::query_as(desk.store.sql(ALL)).bind(workspace).fetch_all(pool).await?
    });
    // Without an order in the statement each plan has its own.
    rows.sort_unstable_by_key(|row| row.0);
    let mut rows = rows.into_iter();
    let pieces = stream::iter(std::iter::from_fn(move || {
        let piece: Vec<Row> = rows.by_ref().take(PIECE).collect();
        (!piece.is_empty()).then(|| lines(&piece))
    }));
    let kind = [(CONTENT_TYPE, "application/x-ndjson")];
    Ok((kind, Body::from_stream(pieces)).into_response())
}

fn lines(rows: &[Row]) -> serde_json::Result<Bytes> {
    let mut out = Vec::with_capacity(rows.len() * 256);
    for (id, title, status, bytes, uploaded_at, body) in rows {
        let line = Line {
            id: *id,
            title,
            status,
            bytes: *bytes,
            uploaded_at: *uploaded_at,
            body,
        };
        serde_json::to_writer(&mut out, &line)?;
        out.push(b'\n');
    }
    Ok(out.into())
}
