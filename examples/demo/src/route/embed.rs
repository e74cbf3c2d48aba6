//! Whose chat widget a web page shows, by the client key in its snippet.

use axum::extract::{Path, State};
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;

use crate::service::{Desk, Failure};
use crate::store::on;

pub(crate) const PATH: &str = "/embed/{client_key}";

const FIND: &str = "SELECT id, workspace_id, origin FROM embed_codes WHERE client_key = $1";

pub(crate) fn routes() -> Router<Desk> {
    Router::new().route(PATH, get(find))
}

#[derive(Debug, Serialize)]
struct EmbedCode {
    id: i64,
    workspace: i64,
    origin: String,
}

async fn find(
    State(desk): State<Desk>,
    Path(client_key): Path<String>,
) -> Result<Json<EmbedCode>, Failure> {
    let row: Option<(i64, i64, String)> = on!(desk.store, pool => {
        sqlx::query_as(desk.store.sql(FIND)).bind(&client_key).fetch_optional(pool).await?
    });
    let (id, workspace, origin) = row.ok_or(Failure::NotFound("embed code"))?;
    Ok(Json(EmbedCode {
        id,
        workspace,
        origin,
    }))
}
