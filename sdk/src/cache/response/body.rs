//! Bodies: kept whole, or passed on as they come.

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::panic::catch_unwind;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use futures_util::future::{Either, select};
use http_body::{Body, Frame, SizeHint};

/// The longest body that is kept.
pub(super) const LONGEST: usize = 1024 * 1024;
/// How long a body may take that is to be kept; a slower one is a stream, and its reader wants what there is.
const PATIENCE: Duration = Duration::from_secs(1);

/// A body from the cache, or the service's own.
///
/// What was read of a body before it turned out not to be one to keep comes first, then the rest as it comes.
pub struct CachedBody<B: Body> {
    read: VecDeque<Frame<Bytes>>,
    failed: Option<B::Error>,
    rest: Option<Pin<Box<B>>>,
}

/// What became of reading a body.
pub(super) enum Collected<B: Body> {
    Whole(Bytes),
    /// Too long, too slow, with trailers, or broken off.
    Passed(CachedBody<B>),
}

impl<B: Body> CachedBody<B> {
    pub(super) fn through(body: B) -> Self {
        Self {
            read: VecDeque::new(),
            failed: None,
            rest: Some(Box::pin(body)),
        }
    }

    pub(super) fn whole(bytes: Bytes) -> Self {
        let mut read = VecDeque::new();
        if !bytes.is_empty() {
            read.push_back(Frame::data(bytes));
        }
        Self {
            read,
            failed: None,
            rest: None,
        }
    }

    /// Reads a body to its end, if it is one to keep.
    pub(super) async fn collect(body: B) -> Collected<B> {
        if body.size_hint().lower() > LONGEST as u64 {
            return Collected::Passed(Self::through(body));
        }
        let mut taken = Self::through(body);
        let whole = {
            let reading = pin!(taken.fill());
            // A runtime without a timer says so by a panic; then the wait is as long as it takes.
            match catch_unwind(|| tokio::time::sleep(PATIENCE)) {
                Ok(timer) => match select(reading, pin!(timer)).await {
                    Either::Left((whole, _)) => whole,
                    Either::Right(_) => false,
                },
                Err(_) => reading.await,
            }
        };
        if whole {
            Collected::Whole(taken.joined())
        } else {
            Collected::Passed(taken)
        }
    }

    /// Reads on; returns whether all of it is there, and can be kept.
    async fn fill(&mut self) -> bool {
        let mut length = 0;
        while let Some(rest) = &mut self.rest {
            match poll_fn(|context| rest.as_mut().poll_frame(context)).await {
                Some(Ok(frame)) => {
                    let frame = frame.map_data(|mut data| data.copy_to_bytes(data.remaining()));
                    let data = frame.data_ref().map(Bytes::len);
                    self.read.push_back(frame);
                    match data {
                        Some(more) => length += more,
                        None => return false,
                    }
                    if length > LONGEST {
                        return false;
                    }
                }
                Some(Err(error)) => {
                    self.failed = Some(error);
                    self.rest = None;
                    return false;
                }
                None => self.rest = None,
            }
        }
        true
    }

    fn joined(self) -> Bytes {
        let mut parts = self
            .read
            .into_iter()
            .filter_map(|frame| frame.into_data().ok());
        let first = parts.next().unwrap_or_default();
        let Some(second) = parts.next() else {
            return first;
        };
        let mut all = BytesMut::from(first);
        all.extend_from_slice(&second);
        parts.for_each(|part| all.extend_from_slice(&part));
        all.freeze()
    }
}

impl<B: Body> Body for CachedBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.get_mut();
        if let Some(frame) = this.read.pop_front() {
            return Poll::Ready(Some(Ok(frame)));
        }
        if let Some(error) = this.failed.take() {
            return Poll::Ready(Some(Err(error)));
        }
        let Some(rest) = &mut this.rest else {
            return Poll::Ready(None);
        };
        rest.as_mut()
            .poll_frame(context)
            .map_ok(|frame| frame.map_data(|mut data| data.copy_to_bytes(data.remaining())))
    }

    fn is_end_stream(&self) -> bool {
        let rest = self.rest.as_ref().is_none_or(|rest| rest.is_end_stream());
        self.read.is_empty() && self.failed.is_none() && rest
    }

    fn size_hint(&self) -> SizeHint {
        let data = |frame: &Frame<Bytes>| frame.data_ref().map_or(0, Bytes::len) as u64;
        let read: u64 = self.read.iter().map(data).sum();
        let rest = self
            .rest
            .as_ref()
            .map_or_else(|| SizeHint::with_exact(0), |rest| rest.size_hint());
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower().saturating_add(read));
        // A failed one never gets as far as it said.
        if let (Some(upper), None) = (rest.upper(), &self.failed) {
            hint.set_upper(upper.saturating_add(read));
        }
        hint
    }
}

// The body behind the pin is boxed, and nothing else is pinned.
impl<B: Body> Unpin for CachedBody<B> {}

impl<B: Body> fmt::Debug for CachedBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CachedBody").finish_non_exhaustive()
    }
}
