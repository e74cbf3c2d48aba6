use std::io;

use bytes::{Buf, Bytes};
use tokio::io::{AsyncWrite, AsyncWriteExt};

/// One frame on its way out.
///
/// A second one is only loaded when the first is gone, so a slow reader never makes a queue.
#[derive(Debug)]
pub(crate) struct Outbox<W> {
    writer: W,
    frame: Bytes,
    unflushed: bool,
}

impl<W: AsyncWrite + Unpin> Outbox<W> {
    pub(crate) const fn new(writer: W) -> Self {
        Self {
            writer,
            frame: Bytes::new(),
            unflushed: false,
        }
    }

    pub(crate) const fn is_busy(&self) -> bool {
        self.unflushed
    }

    /// Takes the next frame; the last one must be gone.
    pub(crate) fn load(&mut self, frame: Bytes) {
        debug_assert!(!self.is_busy(), "a frame is still on its way");
        self.frame = frame;
        self.unflushed = true;
    }

    /// Writes what is loaded. It is safe to drop the future and to call again.
    pub(crate) async fn drain(&mut self) -> io::Result<()> {
        while self.frame.has_remaining() {
            if self.writer.write_buf(&mut self.frame).await? == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
        }
        self.writer.flush().await?;
        self.unflushed = false;
        // A state that was sent is not kept for it.
        self.frame = Bytes::new();
        Ok(())
    }
}
