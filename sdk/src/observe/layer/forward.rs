//! The layer as `tracing`'s registry sees it: each call is forwarded to the filter, once `on_layer` has chosen to have one.
//!
//! Here is the SDK's only unsafe code. The registry finds per-layer filters by asking each layer for the address of a type
//! ([`Layer::downcast_raw`]), and may read what is at the address it gets as that type for as long as it borrows the layer.
//! So what is given out must be
//!
//! 1. the address of a value of just the type that was asked for: it is one of `self`, of its field of that very type, or
//!    what the filter answered to the same question, for which it promises the same;
//! 2. alive for as long as `self` is borrowed: it is in `self`, whose fields are only replaced through `&mut self` (by
//!    `on_layer`, before the registry has the layer), or it is a constant;
//! 3. only to be read: nothing behind it is written to through a shared reference, but by atomics.
//!
//! `tests/memcheck.rs` asks as the registry does and reads what it gets under valgrind's memcheck.

use std::any::TypeId;

use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Dispatch, Event, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use super::{ABSENT, DeckLayer, Eyes, HeardBy, Installed, Silent, Sqlx, Stamp};
use crate::record::scope;

impl<S> Layer<S> for DeckLayer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_layer(&mut self, subscriber: &mut S) {
        let Some(eyes) = self.eyes else { return };
        if let Some(below) = (subscriber as &dyn Subscriber).downcast_ref::<HeardBy>() {
            if below.0.iter().any(|other| std::ptr::eq(*other, eyes)) {
                // Each event would be counted twice.
                self.eyes = None;
                return;
            }
            self.heard_by.0.clone_from(&below.0);
        }
        self.heard_by.0.push(eyes);
        Installed::Unproved.store(&eyes.layer);
        // `fmt().finish()` can't hold a per-layer filter: it panics. There the layer has no opinion of its own.
        if !std::any::type_name::<S>().contains("tracing_subscriber::fmt::Subscriber<") {
            let mut filtered = Silent.with_filter(Sqlx);
            filtered.on_layer(subscriber);
            self.filtered = Some(filtered);
        }
    }

    fn on_register_dispatch(&self, subscriber: &Dispatch) {
        if let Some(filtered) = &self.filtered {
            filtered.on_register_dispatch(subscriber);
        }
    }

    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        match &self.filtered {
            Some(filtered) => filtered.register_callsite(metadata),
            None => Interest::always(),
        }
    }

    fn enabled(&self, metadata: &Metadata<'_>, ctx: Context<'_, S>) -> bool {
        self.filtered
            .as_ref()
            .is_none_or(|filtered| filtered.enabled(metadata, ctx))
    }

    fn event_enabled(&self, event: &Event<'_>, ctx: Context<'_, S>) -> bool {
        self.filtered
            .as_ref()
            .is_none_or(|filtered| filtered.event_enabled(event, ctx))
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        if self.eyes.is_none() {
            return Layer::<S>::max_level_hint(&ABSENT);
        }
        self.filtered.as_ref().and_then(Layer::max_level_hint)
    }

    fn on_new_span(&self, attrs: &Attributes<'_>, id: &Id, ctx: Context<'_, S>) {
        if self.eyes.is_some()
            && let Some(remote) = scope::remote()
            && let Some(span) = ctx.span(id)
        {
            // A second deck's layer stamps the same span: inserting twice would panic.
            span.extensions_mut().replace(Stamp(remote));
        }
        if let Some(filtered) = &self.filtered {
            filtered.on_new_span(attrs, id, ctx);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, ctx: Context<'_, S>) {
        if let Some(filtered) = &self.filtered {
            filtered.on_record(id, values, ctx);
        }
    }

    fn on_event(&self, event: &Event<'_>, ctx: Context<'_, S>) {
        if let Some(eyes) = self.eyes.and_then(Eyes::open) {
            self.hear(eyes, event, &ctx);
        }
        if let Some(filtered) = &self.filtered {
            filtered.on_event(event, ctx);
        }
    }

    fn on_enter(&self, id: &Id, ctx: Context<'_, S>) {
        if let Some(filtered) = &self.filtered {
            filtered.on_enter(id, ctx);
        }
    }

    fn on_exit(&self, id: &Id, ctx: Context<'_, S>) {
        if let Some(filtered) = &self.filtered {
            filtered.on_exit(id, ctx);
        }
    }

    fn on_close(&self, id: Id, ctx: Context<'_, S>) {
        if let Some(filtered) = &self.filtered {
            filtered.on_close(id, ctx);
        }
    }

    #[expect(
        unsafe_code,
        reason = "the registry finds per-layer filters only through this method"
    )]
    unsafe fn downcast_raw(&self, id: TypeId) -> Option<*const ()> {
        if id == TypeId::of::<Self>() {
            return Some(std::ptr::from_ref(self).cast());
        }
        if self.eyes.is_none() {
            // SAFETY: as below; a constant lives longer than `self`.
            return unsafe { Layer::<S>::downcast_raw(&ABSENT, id) };
        }
        if id == TypeId::of::<HeardBy>() {
            return Some(std::ptr::from_ref(&self.heard_by).cast());
        }
        let filtered = self.filtered.as_ref()?;
        // SAFETY: the call is passed on as it came, to a field that lives as long as `self`, so what the caller may do
        // with a pointer from `self` it may do with the field's.
        unsafe { filtered.downcast_raw(id) }
    }
}
