//! Bytes to frames and back: a big-endian `u32` length, then MessagePack with field names.
//!
//! Decoding is total: any bytes give a message or an error. A frame's shape is checked before anything is made of it,
//! so neither a declared length nor a deep nesting costs more than the bytes that are really there.

// Whatever the bytes are.
#![deny(clippy::indexing_slicing)]

mod counted;
mod fit;
mod frames;
mod outbox;
mod shape;
#[cfg(all(test, feature = "client"))]
mod tests;

use std::collections::BTreeMap;
use std::io::{self, Write};

use bytes::Bytes;
use rmp_serde::Deserializer;
use serde::de::value::StrDeserializer;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};

pub(crate) use self::counted::counted;
pub(crate) use self::fit::encode_fitting;
pub use self::frames::Frames;
pub(crate) use self::outbox::Outbox;
pub use self::shape::{MAX_DEPTH, MAX_VALUES};
#[cfg(feature = "client")]
use crate::protocol::FromHost;
use crate::protocol::{FromViewer, RequestId, Topic};
use crate::{Error, Result};

/// The most bytes that a frame may have after its length.
pub const MAX_FRAME: usize = 256 * 1024;

/// The most bytes that a viewer's frame may have after its length: a viewer only ever asks.
pub const MAX_REQUEST: usize = 16 * 1024;

/// The bytes of a frame's length.
pub const LENGTH: usize = 4;

/// What could be made of a frame.
#[derive(Debug, Clone, PartialEq)]
pub enum Heard<T> {
    /// A message of this version.
    Message(T),
    /// A request or a reply in words that this end does not know, so a newer peer's.
    Strange(RequestId),
    /// Another message of a newer peer, to be passed over.
    Ignored,
}

/// Encodes one frame with its length.
///
/// # Errors
///
/// [`Error::TooLarge`] if it would not fit; no more than the limit is kept of it meanwhile.
pub fn encode<T: Serialize>(message: &T) -> Result<Bytes> {
    encode_within(message, MAX_FRAME)
}

/// Encodes a viewer's frame with its length.
///
/// # Errors
///
/// [`Error::TooLarge`] if it is over [`MAX_REQUEST`].
pub fn encode_request(message: &FromViewer) -> Result<Bytes> {
    encode_within(message, MAX_REQUEST)
}

fn encode_within<T: Serialize>(message: &T, limit: usize) -> Result<Bytes> {
    let mut body = Body {
        bytes: vec![0; LENGTH],
        size: 0,
        limit,
    };
    let encoded = rmp_serde::encode::write_named(&mut body, message);
    if body.size > limit {
        return Err(Error::TooLarge {
            size: body.size,
            limit,
        });
    }
    encoded.map_err(|_| Error::Malformed("the message can't be encoded"))?;
    let (length, content) = body.bytes.split_at_mut(LENGTH);
    if body.size > MAX_VALUES {
        // Only such a body can have so many values that the other end would refuse it.
        shape::check(content)?;
    }
    length.copy_from_slice(&(body.size as u32).to_be_bytes());
    Ok(body.bytes.into())
}

/// Decodes one frame's body.
///
/// # Errors
///
/// [`Error::Malformed`] if it is none.
pub fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T> {
    shape::check(body)?;
    parse(body).ok_or(Error::Malformed("a frame has an unknown meaning"))
}

/// Decodes what a viewer sent, and passes over what only a newer one could have meant.
///
/// # Errors
///
/// [`Error::Malformed`] if it is no frame of any version.
pub fn hear_viewer(body: &[u8]) -> Result<Heard<FromViewer>> {
    shape::check(body)?;
    if let Some(message) = parse(body) {
        return Ok(Heard::Message(message));
    }
    if let Some(names) = parse_variant::<Vec<String>>(body, &["subscribe"]) {
        let known = names.iter().filter_map(|name| topic(name)).collect();
        return Ok(Heard::Message(FromViewer::Subscribe(known)));
    }
    strange(body, &["ask", "act"])
}

/// Decodes what a host sent, and passes over what only a newer one could have meant.
///
/// # Errors
///
/// [`Error::Malformed`] if it is no frame of any version.
#[cfg(feature = "client")]
pub fn hear_host(body: &[u8]) -> Result<Heard<FromHost>> {
    shape::check(body)?;
    if let Some(message) = parse(body) {
        return Ok(Heard::Message(message));
    }
    strange(body, &["reply"])
}

fn strange<T>(body: &[u8], requests: &[&str]) -> Result<Heard<T>> {
    if let Some((id, IgnoredAny)) = parse_variant(body, requests) {
        return Ok(Heard::Strange(id));
    }
    // Messages are maps of one entry, or a bare word; anything else was never one.
    match parse::<BTreeMap<String, IgnoredAny>>(body) {
        Some(map) if map.len() == 1 => Ok(Heard::Ignored),
        None if parse::<String>(body).is_some() => Ok(Heard::Ignored),
        Some(_) | None => Err(Error::Malformed("a frame has an unknown meaning")),
    }
}

fn parse_variant<T: DeserializeOwned>(body: &[u8], names: &[&str]) -> Option<T> {
    let map: BTreeMap<String, T> = parse(body)?;
    let (name, value) = map.into_iter().next()?;
    names.contains(&name.as_str()).then_some(value)
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Option<T> {
    let mut deserializer = Deserializer::from_read_ref(body);
    deserializer.set_max_depth(4 * MAX_DEPTH);
    T::deserialize(&mut deserializer).ok()
}

fn topic(name: &str) -> Option<Topic> {
    Topic::deserialize(StrDeserializer::<serde::de::value::Error>::new(name)).ok()
}

/// Takes what fits, and counts what does not.
struct Body {
    bytes: Vec<u8>,
    size: usize,
    limit: usize,
}

impl Write for Body {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.size = self.size.saturating_add(bytes.len());
        if self.size <= self.limit {
            self.bytes.extend_from_slice(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
