//! The routes, a file each. Every file names its path, so that the load can count by the same name.

pub(crate) mod analytics;
pub(crate) mod document;
pub(crate) mod embed;
pub(crate) mod export;
pub(crate) mod message;
pub(crate) mod search;
pub(crate) mod session;
pub(crate) mod webhook;
