//! Load in a closed loop: each connection asks again as soon as it has its answer. The client is plain and blocking, for what
//! it takes of the processor hides a part of the difference between the servers.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use hdrhistogram::Histogram;
use perfdeck_demo::{Call, Mix};
use rand::SeedableRng;
use rand::rngs::StdRng;

/// No answer takes longer on a machine that is worth measuring on.
const PATIENCE: Duration = Duration::from_secs(30);

/// The connections to one server, open for the whole run.
#[derive(Debug)]
pub(crate) struct Client {
    connections: Vec<Connection>,
}

/// What one slice of load came to.
#[derive(Debug)]
pub(crate) struct Slice {
    pub(crate) requests: u64,
    pub(crate) seconds: f64,
    micros: Histogram<u64>,
}

impl Client {
    pub(crate) fn connect(to: SocketAddr, connections: usize) -> Result<Self> {
        let connections = (0..connections)
            .map(|_| Connection::open(to))
            .collect::<Result<_>>();
        Ok(Self {
            connections: connections?,
        })
    }

    /// Keeps every connection busy for as long as told; the requests follow from the seed.
    pub(crate) fn load(&mut self, length: Duration, seed: u64) -> Result<Slice> {
        let start = Instant::now();
        let end = start + length;
        let parts: Vec<Result<Histogram<u64>>> = std::thread::scope(|scope| {
            let threads: Vec<_> = (seed << 8..)
                .zip(&mut self.connections)
                .map(|(seed, connection)| {
                    std::thread::Builder::new()
                        .name("load".to_owned())
                        .spawn_scoped(scope, move || connection.ask_until(end, seed))
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
        let mut micros = histogram()?;
        for part in parts {
            micros.add(part?)?;
        }
        ensure!(!micros.is_empty(), "no request was answered");
        Ok(Slice {
            requests: micros.len(),
            seconds,
            micros,
        })
    }
}

impl Slice {
    /// Requests a second.
    pub(crate) fn rate(&self) -> f64 {
        self.requests as f64 / self.seconds
    }

    /// The latency that 99 of 100 requests keep, in milliseconds.
    pub(crate) fn p99_millis(&self) -> f64 {
        self.micros.value_at_quantile(0.99) as f64 / 1e3
    }
}

#[derive(Debug)]
struct Connection {
    to: SocketAddr,
    stream: BufReader<TcpStream>,
    /// The request as it is sent, and the line that was read last.
    request: Vec<u8>,
    line: String,
    body: Vec<u8>,
}

impl Connection {
    fn open(to: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(to).with_context(|| format!("cannot connect to {to}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self {
            to,
            stream: BufReader::with_capacity(64 * 1024, stream),
            request: Vec::new(),
            line: String::new(),
            body: Vec::new(),
        })
    }

    fn ask_until(&mut self, end: Instant, seed: u64) -> Result<Histogram<u64>> {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut mix = Mix::new();
        let mut micros = histogram()?;
        loop {
            let call = mix.next(&mut rng);
            let start = Instant::now();
            if start >= end {
                return Ok(micros);
            }
            let status = self.ask(&call).with_context(|| call.uri.clone())?;
            // 502 is what a customer's system that is down looks like: part of the mix.
            ensure!(status < 500 || status == 502, "{status} for {}", call.uri);
            micros.saturating_record(start.elapsed().as_micros() as u64);
        }
    }

    /// Sends a request, reads the answer to its end and returns the status.
    fn ask(&mut self, call: &Call) -> Result<u16> {
        let (method, length) = (&call.method, call.body.len());
        self.request.clear();
        write!(
            self.request,
            "{method} {} HTTP/1.1\r\nhost: {}\r\n",
            call.uri, self.to
        )?;
        if length > 0 {
            write!(self.request, "content-type: application/json\r\n")?;
        }
        write!(
            self.request,
            "content-length: {length}\r\n\r\n{}",
            call.body
        )?;
        self.stream.get_mut().write_all(&self.request)?;

        let status = self.line()?.split(' ').nth(1).context("no status")?;
        let status = status.parse().context("no status")?;
        let mut length = 0;
        let mut is_chunked = false;
        loop {
            let line = self.line()?;
            let Some((name, value)) = line.split_once(": ") else {
                break;
            };
            match name {
                "content-length" => length = value.parse()?,
                "transfer-encoding" => is_chunked = value == "chunked",
                _ => {}
            }
        }
        if is_chunked {
            self.skip_chunks()?;
        } else {
            self.skip(length)?;
        }
        Ok(status)
    }

    fn skip_chunks(&mut self) -> Result<()> {
        loop {
            let length = u64::from_str_radix(self.line()?, 16).context("no length of a chunk")?;
            self.skip(length)?;
            // A line ends the chunk, and after the last one the body.
            ensure!(self.line()?.is_empty(), "a chunk longer than it said");
            if length == 0 {
                return Ok(());
            }
        }
    }

    fn skip(&mut self, length: u64) -> Result<()> {
        self.body.clear();
        let read = self
            .stream
            .by_ref()
            .take(length)
            .read_to_end(&mut self.body)?;
        ensure!(read as u64 == length, "the answer was cut off");
        Ok(())
    }

    /// Reads a line without its end.
    fn line(&mut self) -> Result<&str> {
        self.line.clear();
        let read = self.stream.read_line(&mut self.line)?;
        ensure!(read > 0, "the connection was closed");
        Ok(self.line.trim_end_matches(['\r', '\n']))
    }
}

/// Makes one for latencies up to a minute, to three digits.
fn histogram() -> Result<Histogram<u64>> {
    Ok(Histogram::new_with_max(60_000_000, 3)?)
}
