//! A visitor who asks for one thing after another.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const PAUSE: Duration = Duration::from_millis(20);

/// Visits until it is dropped.
pub(crate) async fn run(to: SocketAddr) {
    for visit in 0_u64.. {
        let asked = match visit % 10 {
            0 => ask(to, "POST", &format!("/owners/owner{}/notes", visit % 500)).await,
            1..7 => ask(to, "GET", &format!("/owners/owner{}/notes", visit % 500)).await,
            _ => ask(to, "GET", &format!("/notes/{}", visit % 25_000 + 1)).await,
        };
        if let Err(error) = asked {
            tracing::warn!(%error, "a visit failed");
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn ask(to: SocketAddr, method: &str, path: &str) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(to).await?;
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: {to}\r\nconnection: close\r\ncontent-length: 4\r\n\r\nnote"
    );
    stream.write_all(request.as_bytes()).await?;
    stream.read_to_end(&mut Vec::new()).await?;
    Ok(())
}
