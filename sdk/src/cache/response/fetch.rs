//! Asks the service, and makes of what it says something to keep.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::header::{self, HeaderMap};
use http::{Request, Response, StatusCode};
use http_body::Body;

use super::Cache;
use super::ask::Ask;
use super::body::{CachedBody, Collected};
use super::place::Held;
use super::reply::{end_to_end, etag, freshened, insert, validate};
use super::rules::{Terms, Times, insert_date, vary};
use super::service::Inner;
use super::stored::Stored;
use crate::cache::tick::Tick;

/// What the service said that isn't kept: for the one who asked, and nobody else.
pub(super) enum Unkept<R: Body, E> {
    Response(Box<Response<CachedBody<R>>>),
    Error(E),
}

/// A request that is to be sent for what a cache lacks.
pub(super) struct Fetch<S, B> {
    pub(super) cache: Arc<Cache>,
    pub(super) inner: S,
    pub(super) request: Request<B>,
    pub(super) ask: Arc<Ask>,
    /// What was stored and can't be used without the service's word.
    pub(super) former: Option<Held>,
}

impl<S, B> Fetch<S, B>
where
    S: Inner<B>,
{
    pub(super) async fn run(self) -> Result<Arc<Stored>, Unkept<S::Reply, S::Error>> {
        let Self {
            cache,
            mut inner,
            mut request,
            ask,
            former,
        } = self;
        let tick = &cache.space.shared.tick;
        let former = former.filter(|former| ask.matches(&former.stored));
        let stored = former.as_ref().map(|former| &former.stored);
        let validates = validate(request.headers_mut(), stored.map(AsRef::as_ref));
        let sent = tick.now();
        let answer = inner.call(request).await;
        let received = tick.now();
        let failed = match &answer {
            Ok(response) => matches!(response.status().as_u16(), 500 | 502..=504),
            Err(_) => true,
        };
        if failed
            && let Some(former) = &former
            // What was invalidated meanwhile is never served again.
            && cache.space.present(&former.slot.stripes) == former.slot.stamp
            && former.stored.stands_in(&ask, received)
        {
            return Ok(Arc::clone(&former.stored));
        }
        let response = answer.map_err(Unkept::Error)?;
        let times = Times {
            wall: wall(tick),
            delay: Duration::from_nanos(received.saturating_sub(sent)),
        };
        if response.status() == StatusCode::NOT_MODIFIED
            && validates
            && let Some(former) = former
        {
            return validated(&former.stored, response, &ask, times, received);
        }
        let (parts, body) = response.into_parts();
        let kept = vary(&parts.headers).zip(Terms::new(&ask, parts.status, &parts.headers, times));
        let Some((vary, terms)) = kept else {
            let response = Response::from_parts(parts, CachedBody::through(body));
            return Err(Unkept::Response(Box::new(response)));
        };
        let body = match CachedBody::collect(body).await {
            Collected::Whole(body) if is_whole(&parts.headers, body.len()) => body,
            Collected::Whole(body) => {
                let response = Response::from_parts(parts, CachedBody::whole(body));
                return Err(Unkept::Response(Box::new(response)));
            }
            Collected::Passed(body) => {
                return Err(Unkept::Response(Box::new(Response::from_parts(
                    parts, body,
                ))));
            }
        };
        let mut headers = parts.headers;
        end_to_end(&mut headers);
        let made = (ask.route.etag
            && parts.status == StatusCode::OK
            && !headers.contains_key(header::ETAG))
        .then(|| etag(&headers, &body))
        .flatten();
        let made_etag = made.is_some();
        if let Some(made) = made {
            insert(&mut headers, header::ETAG, made);
        }
        if !headers.contains_key(header::DATE) {
            insert_date(&mut headers, header::DATE, times.wall);
        }
        let mut stored = Stored::new(parts.status, headers, body, vary, &ask, terms, received);
        stored.made_etag = made_etag;
        Ok(Arc::new(stored))
    }
}

/// A stored response with what a 304 says of it.
fn validated<R: Body, E>(
    former: &Stored,
    response: Response<R>,
    ask: &Ask,
    times: Times,
    received: u64,
) -> Result<Arc<Stored>, Unkept<R, E>> {
    let Some(mut headers) = freshened(former, response.headers()) else {
        // The service speaks of something that nobody here asked it for.
        return Err(Unkept::Response(Box::new(
            response.map(CachedBody::through),
        )));
    };
    let kept = vary(&headers).zip(Terms::new(ask, former.status, &headers, times));
    end_to_end(&mut headers);
    if !headers.contains_key(header::DATE) {
        insert_date(&mut headers, header::DATE, times.wall);
    }
    let Some((vary, terms)) = kept else {
        let mut response = Response::new(CachedBody::whole(former.body.clone()));
        *response.status_mut() = former.status;
        *response.headers_mut() = headers;
        return Err(Unkept::Response(Box::new(response)));
    };
    let body = former.body.clone();
    let mut stored = Stored::new(former.status, headers, body, vary, ask, terms, received);
    stored.made_etag = former.made_etag;
    Ok(Arc::new(stored))
}

/// RFC 9111 3.3: what is shorter or longer than its head says broke off on its way.
fn is_whole(headers: &HeaderMap, length: usize) -> bool {
    headers.get_all(header::CONTENT_LENGTH).iter().all(|said| {
        let said = said
            .to_str()
            .ok()
            .and_then(|said| said.trim().parse::<usize>().ok());
        said == Some(length)
    })
}

/// The wall clock, which dates in headers are compared with; it moves with a tick that a test moves.
fn wall(tick: &Tick) -> SystemTime {
    match tick {
        Tick::Coarse => SystemTime::now(),
        Tick::Manual(_) => {
            SystemTime::UNIX_EPOCH
                + Duration::from_secs(1_800_000_000)
                + Duration::from_nanos(tick.now())
        }
    }
}
