//! A connection that stays open, and a client of HTTP/1.1 that does no more than it must.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

/// No answer takes longer on a machine that is worth measuring on.
const PATIENCE: Duration = Duration::from_secs(30);

/// One of a client's connections.
#[derive(Debug)]
pub(super) struct Connection {
    to: SocketAddr,
    stream: BufReader<TcpStream>,
    /// The request as it is sent, and the line that was read last.
    request: Vec<u8>,
    line: String,
    body: Vec<u8>,
}

impl Connection {
    /// Opens one.
    pub(super) fn open(to: SocketAddr) -> Result<Self> {
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

    /// Sends a request, reads the answer to its end and returns the status.
    pub(super) fn ask(&mut self, method: &str, uri: &str, body: &str) -> Result<u16> {
        let length = body.len();
        self.request.clear();
        write!(
            self.request,
            "{method} {uri} HTTP/1.1\r\nhost: {}\r\n",
            self.to
        )?;
        if length > 0 {
            write!(self.request, "content-type: application/json\r\n")?;
        }
        write!(self.request, "content-length: {length}\r\n\r\n{body}")?;
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
