//! An agent that dies in a process that serves: over TCP, under load, until after the second death; and what it is then to
//! be served beside a deck that is off.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use perfdeck_tests::load::Client;
use perfdeck_tests::process::is_alone;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::*;

const CONNECTIONS: usize = 8;
/// Windows of load on each of two servers, one after the other, and the requests of a connection in each.
const WINDOWS: usize = 15;
const REQUESTS: usize = 250;
/// Windows in which one is slower than the other, where both are the same, in one of 270 comparisons.
const TOO_MANY: usize = 13;
/// What a p99 may be longer, beside.
const MARGIN: f64 = 1.1;

#[test]
fn promise_2_an_agent_that_dies_under_load_fails_no_request_and_comes_back_once() {
    const THIS: &str = "agent::tests::death::promise_2_an_agent_that_dies_under_load_fails_no_request_and_comes_back_once";
    if !is_alone(THIS, Duration::from_secs(120)).unwrap() {
        return;
    }
    let folder = Folder::new().unwrap();
    let (guard, deck) = start("served", &folder);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let address = runtime.block_on(serve(deck.http_layer(), Duration::ZERO));
    // As with `PERFDECK=off`, and what the comparison has to see.
    let off = || HttpLayer::new(None);
    let bare = runtime.block_on(serve(off(), Duration::ZERO));
    let slow = runtime.block_on(serve(off(), Duration::from_millis(5)));
    let (sent, over) = (AtomicU64::new(0), AtomicBool::new(false));
    let slice = std::thread::scope(|scope| {
        let load = scope.spawn(|| {
            let mut client = Client::connect(address, CONNECTIONS).unwrap();
            client.load(|_, caller| {
                while !over.load(Ordering::Acquire) {
                    assert_eq!(caller.ask("GET", "/", "").unwrap(), 200);
                    sent.fetch_add(1, Ordering::Relaxed);
                }
                Ok(())
            })
        });
        // As long as so many more are answered, whatever becomes of the agent.
        let goes_on = |what| {
            let before = sent.load(Ordering::Relaxed);
            let end = Instant::now() + Duration::from_secs(30);
            while sent.load(Ordering::Relaxed) < before + 1_000 {
                assert!(Instant::now() < end && !load.is_finished(), "{what}");
                std::thread::sleep(Duration::from_millis(10));
            }
        };
        goes_on("before");
        for (deaths, kind) in [(1, "agent_died"), (2, "agent_dead")] {
            fault::of("served", |fault| fault.deaths = 1);
            goes_on(kind);
            let told = status(&deck, |status| status.deck.agent_deaths == deaths);
            assert!(kinds(&told).contains(&kind), "{told:#?}");
            if deaths == 1 {
                // It sees what comes from then on.
                let again = |status: &Status| status.current_metrics.requests_per_second > 0.0;
                status(&deck, again);
            }
            goes_on(kind);
        }
        over.store(true, Ordering::Release);
        load.join().unwrap().unwrap()
    });
    assert_eq!(slice.requests, sent.load(Ordering::Relaxed));
    compare(address, bare).unwrap();
    let seen = compare(slow, bare).unwrap_err();
    assert!(seen.contains("longer"), "{seen}");
    guard.stop();
}

/// Loads two servers in turn; an error if the first one's p99 is longer by more than chance, and by more than the margin.
fn compare(one: SocketAddr, other: SocketAddr) -> Result<(), String> {
    let mut clients = [one, other].map(|to| Client::connect(to, CONNECTIONS).unwrap());
    let mut p99 = |place: usize| {
        let slice = clients[place].load(|_, caller| {
            for _ in 0..REQUESTS {
                assert_eq!(caller.ask("GET", "/", "").unwrap(), 200);
            }
            Ok(())
        });
        slice.unwrap().p99_millis()
    };
    let mut ratios: Vec<f64> = (0..WINDOWS)
        .map(|window| {
            // Whoever is first in one window is second in the next.
            let first = window % 2;
            let mut millis = [0.0; 2];
            for place in [first, 1 - first] {
                millis[place] = p99(place);
            }
            millis[0] / millis[1]
        })
        .collect();
    ratios.sort_by(f64::total_cmp);
    let median = ratios[WINDOWS / 2];
    let longer = ratios.iter().filter(|ratio| **ratio > 1.0).count();
    println!("p99 {median:.3} times, longer in {longer} of {WINDOWS} windows: {ratios:.2?}");
    if longer >= TOO_MANY && median > MARGIN {
        return Err(format!(
            "p99 is {median:.3} times as long, longer in {longer} of {WINDOWS} windows"
        ));
    }
    Ok(())
}

/// Serves on the loopback interface under a layer: HTTP/1.1 as far as the load speaks it. One answer in 50 of a connection
/// comes so much later.
async fn serve(layer: HttpLayer, late: Duration) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = layer
        .template(|_, _| Some("/"))
        .layer(Answers(StatusCode::OK));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(service.clone(), stream, late));
        }
    });
    address
}

async fn answer(
    mut service: HttpService<Answers>,
    stream: TcpStream,
    late: Duration,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (reader, mut writer) = stream.into_split();
    let mut lines = BufReader::new(reader).lines();
    let mut number = 0_u32;
    while lines.next_line().await?.is_some() {
        while lines
            .next_line()
            .await?
            .is_some_and(|line| !line.is_empty())
        {}
        number += 1;
        if number.is_multiple_of(50) && !late.is_zero() {
            tokio::time::sleep(late).await;
        }
        let status = match service.call(Request::new(())).await {
            Ok(answer) => answer.status(),
            Err(never) => match never {},
        };
        let head = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
        writer.write_all(head.as_bytes()).await?;
    }
    Ok(())
}
