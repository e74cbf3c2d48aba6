use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

use super::LENGTH;
use crate::{Error, Result};

/// How much is asked of the reader at once.
const STEP: usize = 8 * 1024;

/// Cuts a stream of bytes into frames' bodies.
///
/// It keeps at most one frame and one read of 8 KiB; a declared length alone reserves nothing.
#[derive(Debug)]
pub struct Frames<R> {
    reader: R,
    buffer: BytesMut,
    limit: usize,
}

impl<R: AsyncRead + Unpin> Frames<R> {
    /// Makes a cutter of frames of at most `limit` bytes after their length.
    #[must_use]
    pub fn new(reader: R, limit: usize) -> Self {
        Self {
            reader,
            buffer: BytesMut::new(),
            limit,
        }
    }

    /// Waits for the next frame's body; `None` at the end of the stream.
    ///
    /// It is safe to drop the future: nothing that was read is lost.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`] as soon as the length says so, [`Error::Closed`] if the stream ends within a frame or breaks.
    pub async fn next(&mut self) -> Result<Option<Bytes>> {
        loop {
            if let Some(body) = split(&mut self.buffer, self.limit)? {
                return Ok(Some(body));
            }
            self.buffer.reserve(STEP);
            let mut step = (&mut self.reader).take(STEP as u64);
            match step.read_buf(&mut self.buffer).await {
                Ok(0) if self.buffer.is_empty() => return Ok(None),
                // A peer that vanishes resets the connection; for us it is gone, however it went.
                Ok(0) | Err(_) => return Err(Error::Closed),
                Ok(_) => {}
            }
        }
    }
}

fn split(buffer: &mut BytesMut, limit: usize) -> Result<Option<Bytes>> {
    let Some(length) = buffer.first_chunk::<LENGTH>() else {
        return Ok(None);
    };
    let size = u32::from_be_bytes(*length) as usize;
    if size > limit {
        return Err(Error::TooLarge { size, limit });
    }
    if buffer.len() < LENGTH + size {
        return Ok(None);
    }
    buffer.advance(LENGTH);
    Ok(Some(buffer.split_to(size).freeze()))
}
