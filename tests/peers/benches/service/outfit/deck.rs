//! perfdeck.

use anyhow::Result;
use perfdeck_peers::peer::deck::Perfdeck;
use perfdeck_peers::peer::host;
use sqlx::SqlitePool;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry;

use super::{Dressed, Outfit, Router, router};
use crate::database::StatementLog;

pub(crate) const OFF: Outfit = Outfit {
    environment: &[("PERFDECK", "off")],
    ..Outfit::new(
        "perfdeck, off",
        "as the next, with `PERFDECK=off`: what axum takes for a layer around a router and for a body in a body, whatever \
         the layer does",
        off,
    )
};

pub(crate) const LAYERS: Outfit = Outfit::new(
    "perfdeck, layers alone",
    "`deck.layer()` hears sqlx's own events, `http_layer()` times requests, no query changes; SQLite's statements are not \
     filed by route, for they run on sqlx's threads and the service makes no spans",
    layers,
);

pub(crate) const POOL: Outfit = Outfit {
    statement_log: StatementLog::Off,
    ..Outfit::new(
        "perfdeck, pool wrapped",
        "`deck.pool` and `http_layer()`, with sqlx's statement log off: no subscriber is there",
        wrapped,
    )
};

fn off(pool: SqlitePool) -> Result<Dressed> {
    Ok(Dressed {
        settle: Box::new(|| Ok(())),
        known: Box::new(|_| Ok(None)),
        ..layers(pool)?
    })
}

fn layers(pool: SqlitePool) -> Result<Dressed> {
    let perfdeck = Perfdeck::start()?;
    host::install(registry().with(perfdeck.deck.layer()))?;
    Ok(observed(perfdeck, router(pool)))
}

fn wrapped(pool: SqlitePool) -> Result<Dressed> {
    let perfdeck = Perfdeck::start()?;
    let pool = perfdeck.deck.pool("notes", pool);
    Ok(observed(perfdeck, router(pool)))
}

fn observed(perfdeck: Perfdeck, router: Router) -> Dressed {
    Dressed {
        router: router.layer(perfdeck.deck.http_layer()),
        settle: Box::new(|| {
            Perfdeck::settle();
            Ok(())
        }),
        known: Box::new(move |route| {
            let counts = perfdeck.counts()?;
            Ok(Some(if route.queries {
                counts.requests.min(counts.statements)
            } else {
                counts.requests
            }))
        }),
    }
}
