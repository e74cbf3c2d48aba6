//! The libraries, each set up as its documentation says, and asked at the end what it knows.

pub(crate) mod deck;
pub(crate) mod fastrace;
pub(crate) mod host;
pub(crate) mod hotpath;
pub(crate) mod opentelemetry;
pub(crate) mod prometheus;
