//! Requests as they are on the wire, so that nothing but the server decides what comes back.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// The headers in their order, with names in lower case.
    pub headers: Vec<(String, String)>,
    /// The whole body.
    pub body: Vec<u8>,
}

impl Response {
    /// Returns the first header of this name, which is in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Returns the body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// A connection that is kept for further requests.
#[derive(Debug)]
pub struct Kept {
    from: BufReader<TcpStream>,
}

impl Kept {
    /// Connects.
    ///
    /// # Errors
    ///
    /// If nobody listens.
    pub fn open(to: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(to).with_context(|| format!("cannot connect to {to}"))?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        Ok(Self {
            from: BufReader::new(stream),
        })
    }

    /// Sends a GET request.
    ///
    /// # Errors
    ///
    /// If there is no whole answer within a minute.
    pub fn get(&mut self, path: &str) -> Result<Response> {
        write!(
            self.from.get_mut(),
            "GET {path} HTTP/1.1\r\nhost: kept\r\n\r\n"
        )?;
        read(&mut self.from).with_context(|| format!("no answer to GET {path}"))
    }
}

/// Sends a GET request on a connection of its own.
///
/// # Errors
///
/// If there is no whole answer within a minute.
pub fn get(to: SocketAddr, path: &str) -> Result<Response> {
    send(to, "GET", path, "")
}

/// Sends a request, with JSON if `body` is not empty.
///
/// # Errors
///
/// If there is no whole answer within a minute.
pub fn send(to: SocketAddr, method: &str, path: &str, body: &str) -> Result<Response> {
    send_with(to, method, path, "", body)
}

/// Sends a request as [`send`] does, with further header lines, each with its line end.
///
/// # Errors
///
/// If there is no whole answer within a minute.
pub fn send_with(
    to: SocketAddr,
    method: &str,
    path: &str,
    headers: &str,
    body: &str,
) -> Result<Response> {
    let mut stream = TcpStream::connect(to).with_context(|| format!("cannot connect to {to}"))?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nhost: {to}\r\nconnection: close\r\n{headers}\
         content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    )?;
    read(&mut BufReader::new(stream)).with_context(|| format!("no answer to {method} {path}"))
}

fn read(from: &mut impl BufRead) -> Result<Response> {
    let status = line(from)?;
    let status = status.split(' ').nth(1).context("no status")?.parse()?;
    let mut headers = Vec::new();
    loop {
        let line = line(from)?;
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':').context("a header without a colon")?;
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut response = Response {
        status,
        headers,
        body: Vec::new(),
    };
    if response.header("transfer-encoding") == Some("chunked") {
        read_chunks(from, &mut response.body)?;
    } else if let Some(length) = response.header("content-length") {
        let length = length.parse()?;
        response.body.resize(length, 0);
        from.read_exact(&mut response.body)?;
    } else {
        from.read_to_end(&mut response.body)?;
    }
    Ok(response)
}

fn read_chunks(from: &mut impl BufRead, body: &mut Vec<u8>) -> Result<()> {
    loop {
        let size = usize::from_str_radix(&line(from)?, 16)?;
        let start = body.len();
        body.resize(start + size, 0);
        from.read_exact(body.get_mut(start..).unwrap_or_default())?;
        if !line(from)?.is_empty() {
            bail!("a chunk is longer than it says");
        }
        if size == 0 {
            return Ok(());
        }
    }
}

fn line(from: &mut impl BufRead) -> Result<String> {
    let mut line = String::new();
    if from.read_line(&mut line)? == 0 {
        bail!("the connection ended early");
    }
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}
