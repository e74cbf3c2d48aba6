//! The two ends in the wire's own words, for what the client and the server would never say.

use std::path::Path;

use perfdeck_bridge::codec::{self, Frames, MAX_FRAME};
use perfdeck_bridge::protocol::{
    FromHost, FromViewer, PROTOCOL_VERSION, RequestId, Role, State, Update,
};
use tokio::io::{AsyncWriteExt, DuplexStream};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};

use crate::host;

pub(crate) struct Viewer {
    frames: Frames<OwnedReadHalf>,
    writer: OwnedWriteHalf,
}

impl Viewer {
    pub(crate) async fn connect(path: &Path) -> Self {
        let (reader, writer) = UnixStream::connect(path).await.unwrap().into_split();
        Self {
            frames: Frames::new(reader, MAX_FRAME),
            writer,
        }
    }

    /// Connects and says hello.
    pub(crate) async fn attach(path: &Path) -> Self {
        let mut viewer = Self::connect(path).await;
        viewer.say_hello(PROTOCOL_VERSION).await;
        assert!(viewer.next().await.unwrap().starts_with("Hello"));
        viewer
    }

    pub(crate) async fn say_hello(&mut self, protocol: u32) {
        let viewer = "raw".to_owned();
        self.say(&FromViewer::Hello {
            protocol,
            viewer,
            read_only: false,
        })
        .await;
    }

    pub(crate) async fn say(&mut self, message: &impl serde::Serialize) {
        let frame = codec::encode(message).unwrap();
        self.write(&frame).await;
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        self.writer.write_all(bytes).await.unwrap();
    }

    /// Returns what the host says next, as debug text; `None` once it has hung up.
    pub(crate) async fn next(&mut self) -> Option<String> {
        self.next_message()
            .await
            .map(|message| format!("{message:?}"))
    }

    pub(crate) async fn next_reply(&mut self) -> RequestId {
        match self.next_message().await {
            Some(FromHost::Reply(id, _)) => id,
            other => panic!("no reply but {other:?}"),
        }
    }

    pub(crate) async fn next_requests(&mut self) -> u64 {
        match self.next_message().await {
            Some(FromHost::Update(update)) => requests(&update),
            other => panic!("no update but {other:?}"),
        }
    }

    pub(crate) async fn next_message(&mut self) -> Option<FromHost> {
        let body = self.frames.next().await.ok()??;
        Some(codec::decode(&body).unwrap())
    }
}

/// A host's end of a pair of streams.
pub(crate) struct Far(DuplexStream);

impl Far {
    pub(crate) fn new(stream: DuplexStream) -> Self {
        Self(stream)
    }

    pub(crate) async fn say_hello(&mut self, protocol: u32) {
        let mut hello = host::hello(Role::Observe);
        hello.protocol = protocol;
        self.say(&FromHost::Hello(hello)).await;
    }

    pub(crate) async fn say(&mut self, message: &impl serde::Serialize) {
        self.0
            .write_all(&codec::encode(message).unwrap())
            .await
            .unwrap();
    }

    /// Reads and forgets so many frames.
    pub(crate) async fn hear(&mut self, count: usize) {
        let mut frames = Frames::new(&mut self.0, MAX_FRAME);
        for _ in 0..count {
            frames.next().await.unwrap().unwrap();
        }
    }
}

pub(crate) fn requests(update: &Update) -> u64 {
    match &update.state {
        State::Requests(requests) => requests.requests,
        other => panic!("no requests but {other:?}"),
    }
}
