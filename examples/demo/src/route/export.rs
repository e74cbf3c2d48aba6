//! All documents of a workspace, a JSON document a line, in no order, sent in pieces.

use async_stream::try_stream;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt, TryStreamExt};
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
    // In pieces from the database to the socket: a workspace can be large.
    let mut pieces = rows(&desk, workspace).try_chunks(PIECE);
    // A statement that fails before its first row is an answer of its own.
    let first = pieces.try_next().await.map_err(|error| error.1)?;
    let pieces = stream::iter(first.map(Ok)).chain(pieces);
    let body = pieces.map(|piece| anyhow::Ok(lines(&piece?)?));
    let kind = [(CONTENT_TYPE, "application/x-ndjson")];
    Ok((kind, Body::from_stream(body)).into_response())
}

fn rows(desk: &Desk, workspace: i64) -> BoxStream<'static, sqlx::Result<Row>> {
    let statement = desk.store.sql(ALL);
    on!(desk.store, pool => {
        let pool = pool.clone();
        let rows = try_stream! {
            let mut rows = sqlx::query_as(statement).bind(workspace).fetch(&pool);
            while let Some(row) = rows.try_next().await? {
                yield row;
            }
        };
        rows.boxed()
    })
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
