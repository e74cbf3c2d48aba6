//! The same service with different libraries around it.

pub(crate) mod deck;
mod peer;

use std::hint::black_box;

use anyhow::Result;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::get;
use sqlx::{Executor, Sqlite, SqlitePool};

use crate::database::StatementLog;
use crate::route::{HELLO, NOTE, Route};

/// A way of building the service.
#[derive(Debug)]
pub(crate) struct Outfit {
    pub(crate) name: &'static str,
    /// What must be known to read the numbers.
    pub(crate) note: &'static str,
    pub(crate) statement_log: StatementLog,
    /// What its process finds in the environment.
    pub(crate) environment: &'static [(&'static str, &'static str)],
    /// Is called in the context of the service's runtime, when the database is there.
    pub(crate) dress: fn(SqlitePool) -> Result<Dressed>,
}

/// Every outfit; the first is what the others are compared with.
pub(crate) const OUTFITS: &[Outfit] = &[
    Outfit::new("bare", "", bare),
    Outfit::new(
        "bare, again",
        "the same once more: what it is off by, the others may be off by, too",
        bare,
    ),
    deck::OFF,
    deck::LAYERS,
    deck::POOL,
    peer::HOTPATH,
    peer::AXUM_PROMETHEUS,
    peer::OPENTELEMETRY,
];

impl Outfit {
    const fn new(
        name: &'static str,
        note: &'static str,
        dress: fn(SqlitePool) -> Result<Dressed>,
    ) -> Self {
        Self {
            name,
            note,
            statement_log: StatementLog::On,
            environment: &[],
            dress,
        }
    }
}

/// The service in its outfit.
pub(crate) struct Dressed {
    pub(crate) router: Router,
    pub(crate) settle: Settle,
    pub(crate) known: Known,
}

/// Returns when the library has handed on what it keeps for later.
pub(crate) type Settle = Box<dyn FnOnce() -> Result<()> + Send>;

/// Tells how many requests the library knows of when it has settled; where it hears of statements, those whose statement it
/// knows.
pub(crate) type Known = Box<dyn FnOnce(&Route) -> Result<Option<u64>>>;

fn bare(pool: SqlitePool) -> Result<Dressed> {
    Ok(Dressed {
        router: router(pool),
        settle: Box::new(|| Ok(())),
        known: Box::new(|_| Ok(None)),
    })
}

/// The name by which `callgrind` finds the threads that serve.
pub(crate) const WORK: &str = "counted_by_callgrind";

fn router<P>(pool: P) -> Router
where
    P: Clone + Send + Sync + 'static,
    for<'p> &'p P: Executor<'p, Database = Sqlite>,
{
    Router::new()
        .route(HELLO.name, get(async || counted_by_callgrind()))
        .route(NOTE.name, get(note::<P>))
        .with_state(pool)
}

async fn note<P>(State(pool): State<P>, Path(id): Path<i64>) -> Result<String, StatusCode>
where
    for<'p> &'p P: Executor<'p, Database = Sqlite>,
{
    counted_by_callgrind();
    let row: Option<(String, String)> =
        sqlx::query_as("SELECT title, body FROM notes WHERE id = $1")
            .bind(id)
            .fetch_optional(&pool)
            .await
            .map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    let (title, body) = row.ok_or(StatusCode::NOT_FOUND)?;
    Ok(title + "\n" + &body)
}

#[inline(never)]
fn counted_by_callgrind() -> &'static str {
    black_box("hello")
}
