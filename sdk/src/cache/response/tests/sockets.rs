//! The layer over an axum app on loopback, and a client that writes its own HTTP/1.1.

use std::future::IntoFuture as _;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt as _};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use super::*;

/// An app whose every answer says how many there were.
struct Site {
    address: SocketAddr,
    caches: Caches,
    hand: Arc<AtomicU64>,
    calls: Arc<AtomicUsize>,
    /// Lets the answers of `/slow` go.
    gate: Arc<Semaphore>,
}

struct Client(BufReader<TcpStream>);

impl Site {
    async fn open() -> Self {
        let (caches, hand) = manual(true);
        let (calls, gate) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
        let (counted, gated) = (Arc::clone(&calls), Arc::clone(&gate));
        let app = Router::new()
            .fallback(move |request: Request<axum::body::Body>| {
                let n = counted.fetch_add(1, Ordering::SeqCst) + 1;
                respond(request, n, Arc::clone(&gated))
            })
            .layer(HttpCache::new(&caches).route("/{*rest}", Route::new()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(axum::serve(listener, app).into_future());
        Self {
            address,
            caches,
            hand,
            calls,
            gate,
        }
    }

    async fn client(&self) -> Client {
        let stream = TcpStream::connect(self.address).await.unwrap();
        Client(BufReader::new(stream))
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    async fn until(&self, what: &str, seen: impl Fn(&Self) -> bool) {
        for _ in 0..2_000 {
            if seen(self) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("no {what} in time");
    }
}

async fn respond(
    request: Request<axum::body::Body>,
    n: usize,
    gate: Arc<Semaphore>,
) -> Response<axum::body::Body> {
    let say = |status: u16| {
        Response::builder()
            .status(status)
            .header("etag", "\"e\"")
            .header("cache-control", "max-age=60")
    };
    let breaks = Arc::clone(&gate);
    let broken = || {
        let end = async move {
            breaks.acquire().await.unwrap().forget();
            Err(io::Error::other("broken"))
        };
        let parts = stream::once(async { Ok("part") }).chain(stream::once(end));
        axum::body::Body::from_stream(parts)
    };
    match (request.method(), request.uri().path()) {
        (&Method::POST, _) => say(204).body(axum::body::Body::empty()),
        (_, "/cut") => say(200).body(broken()),
        (_, "/short") => say(200).header("content-length", "100").body(broken()),
        (_, "/mine") => say(200)
            .header("set-cookie", "a=1")
            .body(format!("{n}").into()),
        (_, path) => {
            if path == "/slow" {
                gate.acquire().await.unwrap().forget();
            }
            say(200).body(format!("answer {n}").into())
        }
    }
    .unwrap()
}

impl Client {
    async fn ask(&mut self, request: &str) {
        let (first, rest) = request.split_once('\n').unwrap_or((request, ""));
        let mut text = format!("{first} HTTP/1.1\r\nHost: one.example\r\n");
        for line in rest.lines() {
            text.push_str(line.trim());
            text.push_str("\r\n");
        }
        text.push_str("\r\n");
        self.0.write_all(text.as_bytes()).await.unwrap();
    }

    async fn hear_head(&mut self) -> Got {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            assert_ne!(self.0.read_line(&mut line).await.unwrap(), 0, "{lines:?}");
            match line.trim_end() {
                "" => break,
                line => lines.push(line.to_owned()),
            }
        }
        let status = lines[0].split(' ').nth(1).unwrap().parse().unwrap();
        let mut headers = HeaderMap::new();
        for line in &lines[1..] {
            let (name, value) = line.split_once(": ").unwrap();
            let name = http::HeaderName::try_from(name).unwrap();
            headers.append(name, value.parse().unwrap());
        }
        Got {
            status,
            headers,
            body: String::new(),
        }
    }

    /// Reads one response as its request's method and its head say.
    async fn hear(&mut self, method: &str) -> Got {
        let mut got = self.hear_head().await;
        if method != "HEAD" && got.status != 304 && got.status != 204 {
            let mut body = vec![0; got.header("content-length").parse().unwrap()];
            self.0.read_exact(&mut body).await.unwrap();
            got.body = String::from_utf8(body).unwrap();
        }
        got
    }

    async fn send(&mut self, request: &str) -> Got {
        self.ask(request).await;
        let method = request.split(' ').next().unwrap();
        self.hear(method).await
    }
}

#[tokio::test]
async fn over_a_socket_what_is_stored_is_told_with_its_age_on_one_connection() {
    let site = Site::open().await;
    let mut client = site.client().await;
    let first = client.send("GET /a").await;
    assert_eq!(
        (first.status, first.mark(), first.header("age")),
        (200, "MISS", "")
    );
    pass(&site.hand, Duration::from_secs(7));
    let second = client.send("GET /a").await;
    assert_eq!((second.mark(), second.header("age")), ("HIT", "7"));
    assert_eq!((second.body.as_str(), site.calls()), ("answer 1", 1));
    // The order of things on the connection holds through answers without a body.
    let head = client.send("HEAD /a").await;
    assert_eq!(
        (head.status, head.mark(), head.header("content-length")),
        (200, "HIT", "8")
    );
    let unchanged = client.send("GET /a\nIf-None-Match: \"e\"").await;
    assert_eq!(
        (unchanged.status, unchanged.mark(), unchanged.header("etag")),
        (304, "HIT", "\"e\"")
    );
    let changed = client.send("GET /a\nIf-None-Match: \"f\"").await;
    assert_eq!((changed.status, changed.body.as_str()), (200, "answer 1"));
    pass(&site.hand, Duration::from_secs(53));
    let anew = client.send("GET /a").await;
    assert_eq!((anew.mark(), anew.body.as_str()), ("MISS", "answer 2"));
}

#[tokio::test]
async fn over_a_socket_a_post_makes_what_is_stored_of_its_uri_unusable() {
    let site = Site::open().await;
    let mut client = site.client().await;
    for uri in ["/a", "/b"] {
        client.send(&format!("GET {uri}")).await;
    }
    let written = client.send("POST /a\nContent-Length: 0").await;
    assert_eq!((written.status, written.mark()), (204, "BYPASS"));
    for (uri, mark) in [("/a", "MISS"), ("/a", "HIT"), ("/b", "HIT")] {
        assert_eq!(client.send(&format!("GET {uri}")).await.mark(), mark);
    }
}

#[tokio::test]
async fn over_a_socket_what_is_one_persons_is_asked_for_every_time() {
    let site = Site::open().await;
    let mut client = site.client().await;
    for n in ["1", "2"] {
        let got = client.send("GET /mine").await;
        assert_eq!((got.mark(), got.body.as_str()), ("MISS", n));
    }
    client.send("GET /a").await;
    let known = client.send("GET /a\nCookie: a=1").await;
    assert_eq!((known.mark(), known.body.as_str()), ("BYPASS", "answer 4"));
}

#[tokio::test]
async fn over_a_socket_a_client_that_hangs_up_leaves_its_answer_to_others() {
    let site = Site::open().await;
    let mut gone = site.client().await;
    gone.ask("GET /slow").await;
    site.until("call", |site| site.calls() == 1).await;
    drop(gone);
    let mut waits = site.client().await;
    waits.ask("GET /slow").await;
    let misses = |site: &Site| row(&site.caches, "http").misses == 2;
    site.until("second miss", misses).await;
    site.gate.add_permits(1);
    assert_eq!(waits.hear("GET").await.body, "answer 1");
    let next = waits.send("GET /slow").await;
    assert_eq!((next.mark(), site.calls()), ("HIT", 1));
}

#[tokio::test]
async fn over_a_socket_a_body_that_is_cut_off_is_passed_as_far_as_it_came_and_not_stored() {
    let site = Site::open().await;
    for calls in [2, 4] {
        let asked = ["/cut", "/short"].map(|uri| (uri, site.client()));
        let cut = asked.map(|(uri, client)| async move {
            let mut client = client.await;
            client.ask(&format!("GET {uri}")).await;
            (uri, client.hear_head().await, client)
        });
        // It comes as it is once it has been waited for in vain.
        let cut = join_all(cut).await;
        site.gate.add_permits(cut.len());
        for (uri, head, mut client) in cut {
            assert_eq!((head.status, head.mark()), (200, "MISS"), "{uri}");
            let mut body = Vec::new();
            let _ = client.0.read_to_end(&mut body).await;
            let body = String::from_utf8(body).unwrap();
            assert!(body.contains("part"), "{uri}: {body:?}");
            let whole = body.ends_with("0\r\n\r\n") || body.len() == 100;
            assert!(!whole, "{uri}: {body:?}");
        }
        assert_eq!(site.calls(), calls);
    }
    assert_eq!(row(&site.caches, "http").entries, 0);
}

#[tokio::test]
async fn over_a_socket_a_burst_is_one_call() {
    const CLIENTS: usize = 20;
    let site = Site::open().await;
    let mut clients = join_all((0..CLIENTS).map(|_| site.client())).await;
    for client in &mut clients {
        client.ask("GET /slow").await;
    }
    let misses = |site: &Site| row(&site.caches, "http").misses == CLIENTS as u64;
    site.until("burst", misses).await;
    site.gate.add_permits(CLIENTS);
    for client in &mut clients {
        let got = client.hear("GET").await;
        assert_eq!((got.mark(), got.body.as_str()), ("MISS", "answer 1"));
    }
    let row = row(&site.caches, "http");
    assert_eq!((site.calls(), row.loads, row.joined), (1, 1, 19));
}
