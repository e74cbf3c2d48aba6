//! perfdeck's peers, each as its documentation sets it up.

use std::sync::Arc;

use anyhow::Result;
use axum_prometheus::PrometheusMetricLayer;
use hotpath::{AxumLayer, Section};
use opentelemetry::trace::TracerProvider as _;
use perfdeck_peers::peer::hotpath::Hotpath;
use perfdeck_peers::peer::{host, opentelemetry as exporter, prometheus};
use sqlx::SqlitePool;
use tower_http::trace::TraceLayer;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::layer::{Layer as _, SubscriberExt};
use tracing_subscriber::registry;

use super::{Dressed, Outfit, router};

pub(super) const HOTPATH: Outfit = Outfit::new(
    "hotpath 0.30",
    "`AxumLayer` and `sqlx_tracing_layer()`, a report at the end",
    hotpath,
);

pub(super) const AXUM_PROMETHEUS: Outfit = Outfit::new(
    "axum-prometheus 0.10",
    "`PrometheusMetricLayer::pair()`; knows no statements",
    axum_prometheus,
);

pub(super) const OPENTELEMETRY: Outfit = Outfit::new(
    "TraceLayer 0.7 + tracing-opentelemetry 0.34",
    "`TraceLayer::new_for_http()`, everything from DEBUG up, where its spans and sqlx's events are; batch processor with its \
     defaults, an exporter that only counts",
    opentelemetry,
);

fn hotpath(pool: SqlitePool) -> Result<Dressed> {
    let hotpath = Arc::new(Hotpath::start(&[Section::Sql, Section::Server])?);
    host::install(registry().with(hotpath::sqlx_tracing_layer()))?;
    let settles = Arc::clone(&hotpath);
    Ok(Dressed {
        router: router(pool).layer(AxumLayer::new()),
        settle: Box::new(move || settles.settle()),
        known: Box::new(move |route| {
            let requests = hotpath.calls("server")?;
            let statements = if route.queries {
                hotpath.calls("sql")?
            } else {
                requests
            };
            Ok(requests.min(statements))
        }),
    })
}

fn axum_prometheus(pool: SqlitePool) -> Result<Dressed> {
    let (layer, handle) = PrometheusMetricLayer::pair();
    let settles = handle.clone();
    Ok(Dressed {
        router: router(pool).layer(layer),
        settle: Box::new(move || {
            prometheus::settle(&settles);
            Ok(())
        }),
        known: Box::new(move |_| Ok(Some(prometheus::sum(&handle, "axum_http_requests_total")))),
    })
}

fn opentelemetry(pool: SqlitePool) -> Result<Dressed> {
    let provider = exporter::provider();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("peers"));
    host::install(registry().with(layer.with_filter(LevelFilter::DEBUG)))?;
    Ok(Dressed {
        router: router(pool).layer(TraceLayer::new_for_http()),
        settle: Box::new(move || exporter::settle(&provider)),
        known: Box::new(|route| {
            let requests = exporter::spans();
            Ok(Some(if route.queries {
                requests.min(exporter::statements())
            } else {
                requests
            }))
        }),
    })
}
