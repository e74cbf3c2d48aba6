//! A response that is kept, and what it may be used for.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http::header::{HeaderMap, HeaderName};

use super::ask::Ask;
use super::rules::Terms;

/// After a failed refresh the next one waits this long.
const RETRY: Duration = Duration::from_secs(1);

/// A stored response. All but its two last fields is plain data.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// The names that its `Vary` lists, in lower case and order, and what its request said in them.
    pub(super) vary: Vec<HeaderName>,
    pub(super) selected_by: Vec<Option<String>>,
    pub(super) terms: Terms,
    /// Whether its `ETag` is the cache's own, which the service doesn't know.
    pub(super) made_etag: bool,
    /// The tick at which it came.
    pub(super) received: u64,
    /// The tick before which nobody tries again, after a failure.
    retry: AtomicU64,
    refreshing: AtomicBool,
}

/// What a stored response is to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    Fresh,
    /// Served, while it is refreshed.
    Behind,
    /// Served as it is.
    Stale,
    /// Good for others, and this request wants the service's own word.
    Ask,
    /// It has to be validated or loaded anew.
    Expired,
}

impl Stored {
    pub(super) fn new(
        status: StatusCode,
        headers: HeaderMap,
        body: Bytes,
        vary: Vec<HeaderName>,
        ask: &Ask,
        terms: Terms,
        received: u64,
    ) -> Self {
        Self {
            status,
            headers,
            body,
            selected_by: ask.values(&vary),
            vary,
            terms,
            made_etag: false,
            received,
            retry: AtomicU64::new(0),
            refreshing: AtomicBool::new(false),
        }
    }

    /// How long ago the service made it (RFC 9111 4.2.3).
    pub(super) fn age(&self, now: u64) -> Duration {
        let resident = Duration::from_nanos(now.saturating_sub(self.received));
        self.terms.age.saturating_add(resident)
    }

    /// For how long it was fresh when it came.
    pub(super) const fn fresh_for(&self) -> Duration {
        self.terms.fresh_for.saturating_sub(self.terms.age)
    }

    /// What it may be used for, now, to answer a request that its headers match.
    pub(super) fn usage(&self, ask: &Ask, now: u64) -> Use {
        let (age, terms) = (self.age(now), &self.terms);
        // RFC 9111 3.5: without the service's word nobody is answered with what somebody else was told.
        if terms.no_cache || ask.no_cache || ask.credentials && !terms.shared {
            return Use::Ask;
        }
        let Some(stale_for) = self.stale_for(now) else {
            let too_old = |most: Duration| most.is_zero() || age > most;
            let fresh_for = terms.fresh_for.saturating_sub(age);
            return if ask.max_age.is_some_and(too_old) || fresh_for < ask.min_fresh {
                Use::Ask
            } else {
                Use::Fresh
            };
        };
        if terms.must_revalidate
            || ask.max_age.is_some_and(|most| age > most)
            || !ask.min_fresh.is_zero()
        {
            return Use::Expired;
        }
        if stale_for < terms.stale_while_revalidate {
            return Use::Behind;
        }
        if now < self.retry.load(Ordering::Relaxed) && stale_for < self.lasts_errors(ask) {
            return Use::Stale;
        }
        // RFC 9111 5.2.2.10: `s-maxage` wants a shared cache to ask.
        if !terms.s_maxage && stale_for <= ask.max_stale && !ask.max_stale.is_zero() {
            return Use::Stale;
        }
        Use::Expired
    }

    /// Whether those who waited for it can be answered with it, if they want nothing special.
    pub(super) fn answers_others(&self, now: u64) -> bool {
        let terms = &self.terms;
        let in_time = self
            .stale_for(now)
            .is_none_or(|time| time < terms.stale_while_revalidate && !terms.must_revalidate);
        in_time && !terms.no_cache
    }

    /// Notes that the service failed; returns whether the request may have this instead (RFC 5861 4).
    pub(super) fn stands_in(&self, ask: &Ask, now: u64) -> bool {
        let terms = &self.terms;
        let stale_for = self.stale_for(now).unwrap_or_default();
        let may = ask.matches(self)
            && !ask.no_cache
            && !terms.no_cache
            && !terms.must_revalidate
            && (!ask.credentials || terms.shared)
            && stale_for < self.lasts_errors(ask);
        if may {
            let wait = u64::try_from(RETRY.as_nanos()).unwrap_or(u64::MAX);
            self.retry
                .store(now.saturating_add(wait), Ordering::Relaxed);
        }
        may
    }

    /// Takes the one place to refresh it; it is free again when what is returned is dropped.
    pub(super) fn refreshing(self: &std::sync::Arc<Self>) -> Option<Refreshing> {
        let taken = self.refreshing.swap(true, Ordering::AcqRel);
        (!taken).then(|| Refreshing(std::sync::Arc::clone(self)))
    }

    /// What it takes beside what its type does.
    pub(super) fn bytes(&self) -> usize {
        let lines = self.headers.iter();
        let headers: usize = lines
            .map(|(name, value)| 64 + name.as_str().len() + value.len())
            .sum();
        let selected: usize = self.selected_by.iter().flatten().map(String::len).sum();
        size_of::<Self>() + headers + selected + self.body.len()
    }

    fn lasts_errors(&self, ask: &Ask) -> Duration {
        // The request can ask for less freshness, and a shared `s-maxage` leaves that to the service.
        let asked = if self.terms.s_maxage {
            Duration::ZERO
        } else {
            ask.stale_if_error
        };
        self.terms.stale_if_error.max(asked)
    }

    fn stale_for(&self, now: u64) -> Option<Duration> {
        self.age(now).checked_sub(self.terms.fresh_for)
    }
}

/// The right to refresh a stored response.
pub(super) struct Refreshing(std::sync::Arc<Stored>);

impl Drop for Refreshing {
    fn drop(&mut self) {
        self.0.refreshing.store(false, Ordering::Release);
    }
}
