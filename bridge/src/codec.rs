//! Bytes to frames and back: a big-endian `u32` length, then MessagePack with field names.
//!
//! Decoding is total: any bytes give a frame or an error, and nothing is allocated beyond [`MAX_FRAME`].

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Error, Result};

/// The most bytes that a frame may have after its length.
pub const MAX_FRAME: usize = 256 * 1024;

/// Encodes one frame with its length.
///
/// # Errors
///
/// [`Error::TooLarge`] if it would not fit.
pub fn encode<T: Serialize>(message: &T) -> Result<Bytes> {
    let mut frame = vec![0; 4];
    rmp_serde::encode::write_named(&mut frame, message)
        .map_err(|_| Error::Malformed("the message can't be encoded"))?;
    let size = frame.len() - 4;
    if size > MAX_FRAME {
        return Err(Error::TooLarge {
            size,
            limit: MAX_FRAME,
        });
    }
    frame[..4].copy_from_slice(&(size as u32).to_be_bytes());
    Ok(frame.into())
}

/// Decodes one frame's body.
///
/// # Errors
///
/// [`Error::Malformed`] if it is none.
pub fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T> {
    rmp_serde::from_slice(body).map_err(|_| Error::Malformed("a frame could not be decoded"))
}
