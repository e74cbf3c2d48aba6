//! Deliveries to the customers' own systems, which don't always answer.

use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::post;
use perfdeck::cache::CacheQuery as _;

use crate::seed::scramble;
use crate::service::{Desk, Failure};
use crate::store::on;

pub(crate) const PATH: &str = "/workspaces/{workspace}/webhooks/{delivery}";

const OWNER: &str = "SELECT plan FROM workspaces WHERE id = $1";
/// A plan that is changed through the pool is seen at once; one that is changed elsewhere within this.
const KEPT: Duration = Duration::from_secs(60);

pub(crate) fn routes() -> Router<Desk> {
    Router::new().route(PATH, post(deliver))
}

async fn deliver(
    State(desk): State<Desk>,
    Path((workspace, delivery)): Path<(i64, u64)>,
) -> Result<StatusCode, Failure> {
    let plan: Option<String> = on!(desk.store, pool => {
        sqlx::query_scalar(desk.store.sql(OWNER))
            .bind(workspace)
            .cache(KEPT)
            .fetch_optional(pool)
            .await?
    });
    plan.ok_or(Failure::NotFound("workspace"))?;
    // Which of them fail hangs on the delivery alone, so that the same requests have the same answers.
    if scramble(delivery).is_multiple_of(8) {
        return Err(Failure::Upstream("the customer's system"));
    }
    Ok(StatusCode::ACCEPTED)
}
