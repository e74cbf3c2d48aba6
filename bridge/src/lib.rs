//! The contract between a service that embeds perfdeck and whoever looks at it.
//!
//! Everything a host tells and everything a viewer may ask is a plain struct in [`protocol`]. [`Source`] is the one
//! trait that every host offers and every viewer is written against; [`server`] and [`client`] carry it over a Unix
//! socket in the frames of [`codec`]. This crate knows nothing of the SDK, of a terminal or of a database.

mod bits;
pub mod board;
#[cfg(feature = "client")]
pub mod client;
pub mod codec;
mod error;
pub mod histogram;
pub mod protocol;
#[cfg(feature = "recording")]
pub mod recording;
pub mod series;
pub mod server;
pub mod socket;
mod source;
pub mod stats;
#[cfg(feature = "testing")]
pub mod testing;

pub use error::{Error, Result};
pub use source::{BoxFuture, Source, Subscription};

/// Compiles the README's example.
#[cfg(all(doctest, feature = "client"))]
#[doc = include_str!("../README.md")]
pub struct Readme;
