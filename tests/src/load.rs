//! Load in a closed loop: each connection asks again as soon as it has its answer. The client is plain and blocking, for what
//! it takes of the processor hides a part of the difference between servers.

mod connection;

use std::net::SocketAddr;
use std::time::Instant;

use anyhow::{Result, bail, ensure};
use hdrhistogram::Histogram;

use self::connection::Connection;

/// The longest latency that is told from longer ones, in nanoseconds.
const LONGEST: u64 = 60_000_000_000;

/// The connections to one server, kept open.
#[derive(Debug)]
pub struct Client {
    connections: Vec<Connection>,
}

impl Client {
    /// Opens so many connections.
    ///
    /// # Errors
    ///
    /// If the server takes none.
    pub fn connect(to: SocketAddr, connections: usize) -> Result<Self> {
        let connections = (0..connections)
            .map(|_| Connection::open(to))
            .collect::<Result<_>>();
        Ok(Self {
            connections: connections?,
        })
    }

    /// Calls `ask` for each connection, with its number, on a thread of its own, and returns when all have ended.
    ///
    /// # Errors
    ///
    /// If one fails, or no request was answered.
    pub fn load(
        &mut self,
        ask: impl Fn(u64, &mut Caller<'_>) -> Result<()> + Sync,
    ) -> Result<Slice> {
        let start = Instant::now();
        let parts: Vec<Result<Histogram<u64>>> = std::thread::scope(|scope| {
            let ask = &ask;
            let threads: Vec<_> = (0..)
                .zip(&mut self.connections)
                .map(|(number, connection)| {
                    std::thread::Builder::new()
                        .name("load".to_owned())
                        .spawn_scoped(scope, move || {
                            let mut caller = Caller {
                                connection,
                                nanos: histogram()?,
                            };
                            ask(number, &mut caller)?;
                            Ok(caller.nanos)
                        })
                })
                .collect();
            threads
                .into_iter()
                .map(|thread| match thread?.join() {
                    Ok(part) => part,
                    Err(_) => bail!("a thread of the load panicked"),
                })
                .collect()
        });
        let seconds = start.elapsed().as_secs_f64();
        let mut nanos = histogram()?;
        for part in parts {
            nanos.add(part?)?;
        }
        ensure!(!nanos.is_empty(), "no request was answered");
        Ok(Slice {
            requests: nanos.len(),
            seconds,
            nanos,
        })
    }
}

/// One connection under load.
#[derive(Debug)]
pub struct Caller<'a> {
    connection: &'a mut Connection,
    nanos: Histogram<u64>,
}

impl Caller<'_> {
    /// Sends a request, with JSON if `body` is not empty, and returns the status when the answer is read to its end.
    ///
    /// # Errors
    ///
    /// If there is no whole answer within half a minute.
    pub fn ask(&mut self, method: &str, uri: &str, body: &str) -> Result<u16> {
        let start = Instant::now();
        let status = self.connection.ask(method, uri, body)?;
        self.nanos
            .saturating_record(start.elapsed().as_nanos() as u64);
        Ok(status)
    }
}

/// What one slice of load came to.
#[derive(Debug)]
pub struct Slice {
    /// Requests that were answered.
    pub requests: u64,
    /// From the first request to the last answer.
    pub seconds: f64,
    nanos: Histogram<u64>,
}

impl Slice {
    /// Returns how many requests were answered in a second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.requests as f64 / self.seconds
    }

    /// Returns the latency that 99 of 100 requests keep, in milliseconds.
    #[must_use]
    pub fn p99_millis(&self) -> f64 {
        self.nanos.value_at_quantile(0.99) as f64 / 1e6
    }
}

/// Makes one for latencies in nanoseconds, to three digits.
fn histogram() -> Result<Histogram<u64>> {
    Ok(Histogram::new_with_max(LONGEST, 3)?)
}
