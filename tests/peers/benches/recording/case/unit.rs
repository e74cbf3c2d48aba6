//! One request filed by its route, and inside it one statement of sqlx's filed by its text.

mod service;

use std::collections::HashMap;
use std::hint::black_box;
use std::time::Instant;

use anyhow::{Context, Result};
use console_subscriber::ConsoleLayer;
use hdrhistogram::Histogram;
use hotpath::Section;
use http_body::Body;
use metrics_exporter_prometheus::PrometheusHandle;
use opentelemetry::trace::TracerProvider as _;
use perfdeck_peers::peer::deck::Perfdeck;
use perfdeck_peers::peer::{self, host};
use tower_layer::Layer as _;
use tracing::{Dispatch, info_span};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry;
use tracing_timing::group::ByField;

use self::service::{Answers, Caller, Handler, constant, query, route, statement};
use super::{Case, OFF, Row};
use crate::job::{Job, Report};

pub(super) const CASE: Case = Case {
    name: "unit",
    title: "A request and a statement",
    about: "One request through a tower service, its body read to the end, and in it one event as sqlx emits it (six fields, \
            the text a fresh `String`): 8 routes, 32 statements.",
    rows: &[
        Row::new("bare loop", bare),
        Row::new("perfdeck", perfdeck),
        Row::new("perfdeck, off", perfdeck_off).environment(OFF),
        Row::new("fmt with its own filter", fmt_alone)
            .note("nothing is recorded; what perfdeck costs beside it is the next row less this one"),
        Row::new("perfdeck beside fmt with its own filter", perfdeck_beside_fmt)
            .note("fails if the host prints a line more or less than without perfdeck"),
        Row::new("bare Registry, a span a request", bare_registry).note("nothing is recorded"),
        Row::new("perfdeck beside a span a request", perfdeck_beside_spans),
        Row::new("hotpath 0.30", hotpath).at_most(20_000).note(
            "the statement alone, for its request timing wants a whole axum router; it normalises each event's text in the \
             background",
        ),
        Row::new("metrics 0.24 + Prometheus exporter 0.18", metrics)
            .note("two histograms and a counter, with `run_upkeep`; the statement's label is a constant, the route's a `String`"),
        Row::new("metrics 0.24, handles kept by the host", metrics_handles)
            .note("the same, but the host finds its handles by route and statement in a `HashMap` of its own"),
        Row::new("console-subscriber 0.5", console).note(
            "only with RUSTFLAGS=\"--cfg console_without_tokio_unstable\"; knows tasks alone, so the request is \
             made to look like one, and the statement is not filed; tells nobody what it dropped but its viewer",
        ),
        Row::new("tracing-timing 0.7", tracing_timing),
        Row::new("fastrace 0.7", fastrace).note("a root span a request, and the statement as a span in it"),
        Row::new("tracing-opentelemetry 0.34", opentelemetry)
            .note("a span a request, batch processor with its defaults, an exporter that only counts"),
    ],
};

fn bare(job: &Job) -> Result<Report> {
    service_alone(job, || Ok(()))
}

fn perfdeck(job: &Job) -> Result<Report> {
    let perfdeck = Perfdeck::start()?;
    host::install(registry().with(perfdeck.deck.layer()))?;
    observed(job, &perfdeck, || Ok(()))
}

fn perfdeck_off(job: &Job) -> Result<Report> {
    let perfdeck = Perfdeck::start()?;
    host::install(registry().with(perfdeck.deck.layer()))?;
    let layer = perfdeck.http_layer();
    job.time(|| calls(layer.layer(Handler::new(query))))
}

fn fmt_alone(job: &Job) -> Result<Report> {
    host::install(registry().with(host::print()))?;
    service_alone(job, host::prints_as_ever)
}

fn perfdeck_beside_fmt(job: &Job) -> Result<Report> {
    let perfdeck = Perfdeck::start()?;
    host::install(registry().with(host::print()).with(perfdeck.deck.layer()))?;
    observed(job, &perfdeck, host::prints_as_ever)
}

fn bare_registry(job: &Job) -> Result<Report> {
    host::install(registry())?;
    let worker = || spanned_calls(Handler::new(query));
    job.time(worker)
}

fn perfdeck_beside_spans(job: &Job) -> Result<Report> {
    let perfdeck = Perfdeck::start()?;
    host::install(registry().with(perfdeck.deck.layer()))?;
    let layer = perfdeck.http_layer();
    let worker = || spanned_calls(layer.layer(Handler::new(query)));
    job.measure(worker, || Ok(()), |_| perfdeck.requests())
}

fn hotpath(job: &Job) -> Result<Report> {
    let hotpath = peer::hotpath::Hotpath::start(&[Section::Sql])?;
    host::install(registry().with(hotpath::sqlx_tracing_layer()))?;
    let worker = || calls(Handler::new(query));
    job.measure(worker, || hotpath.settle(), |_| hotpath.calls("sql"))
}

fn metrics(job: &Job) -> Result<Report> {
    let handle = peer::prometheus::install()?;
    let worker = || {
        let mut caller = Caller::new(Handler::new(|number| {
            let (text, elapsed) = statement(number);
            black_box(text);
            metrics::histogram!("db_query_seconds", "statement" => constant(number))
                .record(elapsed);
        }));
        move |number| {
            let start = Instant::now();
            caller.call(number);
            // As a route comes out of axum's `MatchedPath`.
            let route = route(number).to_owned();
            metrics::counter!("http_requests_total", "route" => route.clone()).increment(1);
            metrics::histogram!("http_request_seconds", "route" => route).record(start.elapsed());
        }
    };
    measure_metrics(job, &handle, worker)
}

fn metrics_handles(job: &Job) -> Result<Report> {
    let handle = peer::prometheus::install()?;
    let requests: HashMap<&str, _> = (0..service::ROUTES.len() as u64)
        .map(|number| {
            let route = route(number);
            let total = metrics::counter!("http_requests_total", "route" => route);
            let seconds = metrics::histogram!("http_request_seconds", "route" => route);
            (route, (total, seconds))
        })
        .collect();
    let queries: HashMap<&str, _> = (0..service::STATEMENTS)
        .map(|number| {
            let text = constant(number);
            let seconds = metrics::histogram!("db_query_seconds", "statement" => text);
            (text, seconds)
        })
        .collect();
    let worker = || {
        let mut caller = Caller::new(Handler::new(|number| {
            let (text, elapsed) = statement(number);
            if let Some(seconds) = queries.get(text.as_str()) {
                seconds.record(elapsed);
            }
        }));
        let requests = &requests;
        move |number| {
            let start = Instant::now();
            caller.call(number);
            if let Some((total, seconds)) = requests.get(route(number)) {
                total.increment(1);
                seconds.record(start.elapsed());
            }
        }
    };
    measure_metrics(job, &handle, worker)
}

fn measure_metrics<W: FnMut(u64)>(
    job: &Job,
    handle: &PrometheusHandle,
    worker: impl Fn() -> W + Sync,
) -> Result<Report> {
    let settle = || {
        peer::prometheus::settle(handle);
        Ok(())
    };
    job.measure(worker, settle, |_| {
        let counts = [
            "db_query_seconds_count",
            "http_request_seconds_count",
            "http_requests_total",
        ];
        let counts = counts.map(|name| peer::prometheus::sum(handle, name));
        Ok(counts.into_iter().min())
    })
}

fn console(job: &Job) -> Result<Report> {
    // It panics where it was not built as it wants.
    let layer = std::panic::catch_unwind(|| {
        let builder = ConsoleLayer::builder().server_addr(([127, 0, 0, 1], 0));
        builder.spawn()
    });
    let Ok(layer) = layer else {
        return Ok(Report::default());
    };
    host::install(registry().with(layer))?;
    let worker = || {
        let mut caller = Caller::new(Handler::new(query));
        move |number| {
            let span = tracing::trace_span!(
                target: "tokio::task",
                parent: None,
                "runtime.spawn",
                kind = "task",
                task.name = route(number),
                task.id = number,
                loc.file = file!(),
                loc.line = line!(),
                loc.col = column!(),
            );
            span.in_scope(|| caller.call(number));
        }
    };
    job.time(worker)
}

fn tracing_timing(job: &Job) -> Result<Report> {
    let layer = tracing_timing::Builder::default()
        .spans(ByField::from("route"))
        .events(ByField::from("db.statement"))
        .layer(|| Histogram::new(3).unwrap_or_else(|_| unreachable!("three digits are allowed")));
    let mine = layer.downcaster();
    let dispatch = Dispatch::new(registry().with(layer));
    tracing::dispatcher::set_global_default(dispatch.clone())?;
    let worker = || spanned_calls(Handler::new(query));
    let layer = mine.downcast(&dispatch).context("the layer is gone")?;
    let settle = || {
        layer.force_synchronize();
        Ok(())
    };
    job.measure(worker, settle, |_| {
        let counted = layer.with_histograms(|groups| {
            let all = groups.values_mut().flat_map(|group| group.values_mut());
            all.map(|histogram| histogram.len()).sum()
        });
        Ok(Some(counted))
    })
}

fn fastrace(job: &Job) -> Result<Report> {
    peer::fastrace::install();
    let worker = || {
        let mut caller = Caller::new(Handler::new(|number| {
            let (text, _) = statement(number);
            let _span = fastrace::local::LocalSpan::enter_with_local_parent("query")
                .with_property(|| ("db.statement", text));
        }));
        move |number| {
            let context = fastrace::collector::SpanContext::random();
            let root =
                fastrace::Span::root("request", context).with_property(|| ("route", route(number)));
            let _parent = root.set_local_parent();
            caller.call(number);
        }
    };
    let settle = || {
        fastrace::flush();
        Ok(())
    };
    job.measure(worker, settle, |_| Ok(Some(peer::fastrace::spans() / 2)))
}

fn opentelemetry(job: &Job) -> Result<Report> {
    let provider = peer::opentelemetry::provider();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("peers"));
    host::install(registry().with(layer))?;
    let worker = || spanned_calls(Handler::new(query));
    let settle = || peer::opentelemetry::settle(&provider);
    job.measure(worker, settle, |_| {
        Ok(Some(peer::opentelemetry::statements()))
    })
}

/// Measures the service with nothing around it.
fn service_alone(job: &Job, check: impl FnOnce() -> Result<()>) -> Result<Report> {
    let worker = || calls(Handler::new(query));
    job.measure(worker, || Ok(()), |_| check().map(|()| None))
}

/// Measures the service under perfdeck's layer.
fn observed(job: &Job, perfdeck: &Perfdeck, check: impl FnOnce() -> Result<()>) -> Result<Report> {
    let layer = perfdeck.http_layer();
    let worker = || calls(layer.layer(Handler::new(query)));
    job.measure(
        worker,
        || Ok(()),
        |_| {
            check()?;
            perfdeck.requests()
        },
    )
}

/// Calls the service.
fn calls<S: Answers<B>, B: Body>(service: S) -> impl FnMut(u64) {
    let mut caller = Caller::new(service);
    move |number| caller.call(number)
}

/// Calls the service in a span of the request.
fn spanned_calls<S: Answers<B>, B: Body>(service: S) -> impl FnMut(u64) {
    let mut caller = Caller::new(service);
    move |number| {
        let span = info_span!("request", route = route(number));
        span.in_scope(|| caller.call(number));
    }
}
