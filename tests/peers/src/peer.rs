//! The libraries, each set up as its documentation says, and asked at the end what it knows.

pub mod deck;
pub mod fastrace;
pub mod host;
pub mod hotpath;
pub mod opentelemetry;
pub mod prometheus;
