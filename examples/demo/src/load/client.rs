use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use http_body_util::BodyExt;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::mix::Call;

/// Sends requests to one server and keeps its connections open.
#[derive(Debug)]
pub(super) struct Client {
    to: SocketAddr,
    idle: Mutex<VecDeque<SendRequest<Body>>>,
}

impl Client {
    pub(super) const fn new(to: SocketAddr) -> Self {
        Self {
            to,
            idle: Mutex::new(VecDeque::new()),
        }
    }

    /// Sends a request and reads its answer to the end.
    pub(super) async fn send(&self, call: &Call) -> anyhow::Result<StatusCode> {
        let mut connection = self.connection().await?;
        let mut request = Request::builder()
            .method(&call.method)
            .uri(&call.uri)
            .header(header::HOST, self.to.to_string());
        if call.method == Method::POST {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let request = request.body(Body::from(call.body.clone()))?;
        let response = connection.send_request(request).await?;
        let status = response.status();
        let mut body = response.into_body();
        while let Some(frame) = body.frame().await {
            frame?;
        }
        self.idle().push_back(connection);
        Ok(status)
    }

    async fn connection(&self) -> anyhow::Result<SendRequest<Body>> {
        loop {
            let Some(mut connection) = self.idle().pop_front() else {
                break;
            };
            if connection.ready().await.is_ok() {
                return Ok(connection);
            }
        }
        let stream = TcpStream::connect(self.to).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(sender)
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, VecDeque<SendRequest<Body>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
