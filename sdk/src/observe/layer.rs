//! Tier 0: what sqlx tells through `tracing`, without an edited line.
//!
//! sqlx emits an event after each statement (`sqlx::query`) and after slow waits for a connection
//! (`sqlx::pool::acquire`). To hear them without a word of the host's own logging changing, the layer is in two: a
//! per-layer filter that is asked about each callsite once and takes only these, and the ears outside of it, which see
//! every span that the host makes, so that each can carry the request it belongs to.

mod callsite;
mod forward;

use std::cell::Cell;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tracing::field::{Field, Visit};
use tracing::level_filters::{LevelFilter, STATIC_MAX_LEVEL};
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Filtered;
use tracing_subscriber::layer::{Context, Filter};
use tracing_subscriber::registry::LookupSpan;

use self::callsite::{Callsites, Columns};
use super::Eyes;
use crate::record::recorder::Heard;
use crate::record::scope::{self, Remote};
use crate::record::site::{BACKGROUND, Pair};
use crate::record::table::Ran;

/// The target of the events that tell of statements.
pub(crate) const QUERY: &str = "sqlx::query";
const ACQUIRE: &str = "sqlx::pool::acquire";
/// The target of the span that tells a driver's thread that a statement is already counted.
pub(crate) const COUNTED: &str = "perfdeck::query";
/// The number of the pool that waits are filed under where the pool is not known.
pub(crate) const UNKNOWN_POOL: u16 = 0;

thread_local! {
    static COUNTED_HERE: Cell<bool> = const { Cell::new(false) };
}

/// How the layer stands in the host's subscriber.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Installed {
    /// Not at all.
    No = 0,
    /// In, and not yet known what it hears.
    Unproved = 1,
    /// It hears each statement.
    All = 2,
    /// It hears only statements that sqlx warns of as slow.
    SlowOnly = 3,
}

impl Installed {
    pub(crate) fn load(cell: &AtomicU8) -> Self {
        match cell.load(Ordering::Relaxed) {
            1 => Self::Unproved,
            2 => Self::All,
            3 => Self::SlowOnly,
            _ => Self::No,
        }
    }

    pub(crate) fn store(self, cell: &AtomicU8) {
        cell.store(self as u8, Ordering::Relaxed);
    }

    /// Asks the host's subscriber whether a statement's event would be heard.
    ///
    /// To be called on a thread that does nothing else: a question without an event after it leaves its veto behind for
    /// the thread's next event (tokio-rs/tracing#2519).
    pub(crate) fn probe() -> Self {
        if STATIC_MAX_LEVEL >= LevelFilter::DEBUG && tracing::enabled!(target: QUERY, Level::DEBUG)
        {
            Self::All
        } else {
            Self::SlowOnly
        }
    }
}

/// Counts the statements and events of `poll` as told already.
pub(crate) fn counted<T>(poll: impl FnOnce() -> T) -> T {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            let _ = COUNTED_HERE.try_with(|counted| counted.set(self.0));
        }
    }
    let before = COUNTED_HERE
        .try_with(|counted| counted.replace(true))
        .unwrap_or(false);
    let _restore = Restore(before);
    poll()
}

/// Hears sqlx's events; for `tracing_subscriber::registry().with(..)`, beside any other layers, in any order.
///
/// Beside a `fmt` layer with its own filter both see all they should. Under a *global* `EnvFilter` that leaves out
/// `sqlx::query=debug` nobody hears the statements, and the deck's status says so. It must not be put into
/// `tracing_subscriber::reload`. A deck's second layer in the same subscriber does nothing, so that all is counted once;
/// only layers put together by `and_then` before they reach the subscriber don't notice each other.
pub struct DeckLayer<S> {
    eyes: Option<&'static Eyes>,
    filtered: Option<Filtered<Silent, Sqlx, S>>,
    heard_by: HeardBy,
    columns: Callsites,
}

/// The layer inside the filter; it is there only for the filter to be asked.
#[derive(Debug)]
struct Silent;

#[derive(Debug)]
struct Sqlx;

/// The decks whose layers stand in one subscriber, up to this layer.
struct HeardBy(Vec<&'static Eyes>);

/// What the layer of a deck that is off stands for. Without it the levels that nobody else wants would be made for it: a
/// layer without a filter wants all.
static ABSENT: Option<Silent> = None;

/// The request that a span belongs to.
struct Stamp(Arc<Remote>);

/// The request that the present span belongs to: what runs in a task of its own, in a span of the request's, is found by it.
#[cfg(any(feature = "_sqlx", feature = "redis"))]
fn request_of_span() -> Option<Arc<Remote>> {
    let found = tracing::Span::current().with_subscriber(|(id, dispatch)| {
        let registry = dispatch.downcast_ref::<tracing_subscriber::Registry>()?;
        let mut spans = registry.span(id)?.scope();
        spans.find_map(|span| {
            let extensions = span.extensions();
            extensions.get::<Stamp>().map(|stamp| Arc::clone(&stamp.0))
        })
    });
    found.flatten()
}

/// The request that is not polled on this thread, and that the present span belongs to.
#[cfg(any(feature = "_sqlx", feature = "redis"))]
pub(super) fn request_elsewhere(eyes: &Eyes) -> Option<Arc<Remote>> {
    if scope::is_present() || Installed::load(&eyes.layer) == Installed::No {
        None
    } else {
        request_of_span()
    }
}

impl<S> DeckLayer<S> {
    pub(crate) const fn new(eyes: Option<&'static Eyes>) -> Self {
        Self {
            eyes,
            filtered: None,
            heard_by: HeardBy(Vec::new()),
            columns: Callsites::new(),
        }
    }
}

impl<S> fmt::Debug for DeckLayer<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeckLayer")
            .field("on", &self.eyes.is_some())
            .finish_non_exhaustive()
    }
}

impl<S> DeckLayer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn hear(&self, eyes: &'static Eyes, event: &Event<'_>, ctx: &Context<'_, S>) {
        let target = event.metadata().target();
        let is_query = target == QUERY;
        if (!is_query && target != ACQUIRE) || COUNTED_HERE.try_with(Cell::get) != Ok(false) {
            return;
        }
        if !is_query {
            let mut acquired = Acquired(None);
            event.record(&mut acquired);
            if let Some(seconds) = acquired.0 {
                eyes.recorder.acquire(UNKNOWN_POOL, nanos(seconds), false);
            }
            return;
        }
        let mut remote = None;
        // A request on this very thread is surer than a span, which may be an older one.
        let mut present = scope::present();
        let mut attributed = present.scope().is_some();
        if !attributed {
            for span in ctx.event_scope(event).into_iter().flatten() {
                if span.metadata().target() == COUNTED {
                    return;
                }
                if let Some(stamp) = span.extensions().get::<Stamp>() {
                    remote = Some(Arc::clone(&stamp.0));
                    break;
                }
            }
            attributed = remote.is_some();
        }
        let mut slow_only = false;
        let filed = eyes.recorder.hear(|heard| {
            let columns = self.columns.of(event.metadata());
            let mut fields = Fields {
                heard,
                columns,
                elapsed_seconds: None,
                rows_returned: 0,
            };
            event.record(&mut fields);
            let seconds = fields.elapsed_seconds?;
            if !columns.slow {
                if Installed::load(&eyes.layer) != Installed::All {
                    Installed::All.store(&eyes.layer);
                }
            } else if Installed::load(&eyes.layer) != Installed::All {
                slow_only = true;
                return None;
            }
            Some(Ran {
                nanos: nanos(seconds),
                rows: fields.rows_returned,
                failed: false,
                pool: None,
                attributed,
                elsewhere: !attributed && is_driver(),
                values: None,
            })
        });
        if slow_only {
            eyes.recorder.slow_only();
        }
        let Some(call) = filed else {
            return;
        };
        let statement = call.statement;
        let route = if let Some(scope) = present.scope() {
            scope.query(&call);
            scope.progress.route
        } else if let Some(remote) = remote {
            remote.query(&call)
        } else {
            BACKGROUND
        };
        let pair = Pair { route, statement };
        eyes.recorder.sites().pass(pair, || !is_driver());
    }
}

impl<S: Subscriber> Layer<S> for Silent {}

impl<S> Filter<S> for Sqlx {
    fn enabled(&self, metadata: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        wants(metadata)
    }

    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        // Not `always`: with it, a question that no event follows loses the thread's next event (tracing#2519).
        if wants(metadata) {
            Interest::sometimes()
        } else {
            Interest::never()
        }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        // No lower: sqlx asks whether DEBUG is wanted before it makes an event at all.
        Some(LevelFilter::DEBUG)
    }
}

/// Everything of sqlx's that is not a span (an event, or the question whether one is wanted), and our own marks.
fn wants(metadata: &Metadata<'_>) -> bool {
    let target = metadata.target();
    if metadata.is_span() {
        target == COUNTED
    } else {
        target == QUERY || target == ACQUIRE
    }
}

/// The fields of sqlx's event of a statement, from 0.7 to 0.9.
struct Fields<'h, 't> {
    heard: &'h mut Heard<'t>,
    columns: Columns,
    elapsed_seconds: Option<f64>,
    rows_returned: u64,
}

impl Visit for Fields<'_, '_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        if field.index() == usize::from(self.columns.elapsed_seconds) {
            self.elapsed_seconds = Some(value);
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.index() == usize::from(self.columns.rows_returned) {
            self.rows_returned = value;
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.index() == usize::from(self.columns.statement) {
            // Two lines before it and one after, since it was first told so.
            let sql = value.strip_prefix("\n\n").unwrap_or(value);
            let sql = sql.strip_suffix('\n').unwrap_or(sql);
            if !sql.is_empty() {
                self.heard.text(sql);
            }
        } else if field.index() == usize::from(self.columns.summary) && !value.ends_with('…') {
            // The statement is left empty where this, its first four words, is all of it.
            self.heard.text(value);
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn fmt::Debug) {}
}

/// The wait of sqlx's event of a slow wait for a connection.
struct Acquired(Option<f64>);

impl Visit for Acquired {
    fn record_f64(&mut self, field: &Field, value: f64) {
        // The first spelling is sqlx's own up to 0.8.
        if ["aquired_after_secs", "acquired_after_secs"].contains(&field.name()) {
            self.0 = Some(value);
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn fmt::Debug) {}
}

/// Whether this is a thread of a driver's own, where no request is ever polled.
#[cold]
fn is_driver() -> bool {
    let thread = std::thread::current();
    thread
        .name()
        .is_some_and(|name| name.starts_with("sqlx-sqlite-worker"))
}

fn nanos(seconds: f64) -> u64 {
    (seconds * 1e9) as u64
}
