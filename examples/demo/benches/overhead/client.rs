//! The demo's own mix of requests as load.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use perfdeck_demo::Mix;
use perfdeck_tests::load::{self, Slice};
use rand::SeedableRng;
use rand::rngs::StdRng;

/// The visitors of one server.
#[derive(Debug)]
pub(crate) struct Client {
    inner: load::Client,
}

impl Client {
    pub(crate) fn connect(to: SocketAddr, connections: usize) -> Result<Self> {
        Ok(Self {
            inner: load::Client::connect(to, connections)?,
        })
    }

    /// Keeps every connection busy for as long as told; the requests follow from the seed.
    pub(crate) fn load(&mut self, length: Duration, seed: u64) -> Result<Slice> {
        let end = Instant::now() + length;
        self.inner.load(|number, caller| {
            let mut rng = StdRng::seed_from_u64((seed << 8) + number);
            let mut mix = Mix::new();
            while Instant::now() < end {
                let call = mix.next(&mut rng);
                let status = caller.ask(call.method.as_str(), &call.uri, &call.body);
                let status = status.with_context(|| call.uri.clone())?;
                // 502 is what a customer's system that is down looks like: part of the mix.
                ensure!(status < 500 || status == 502, "{status} for {}", call.uri);
            }
            Ok(())
        })
    }
}
