//! A host made of samples behind a real socket, for whoever works on a viewer.
//!
//! `cargo run -p perfdeck-tui --example sample_host [typical|empty|overloaded|hostile]`, and `perfdeck` in another
//! terminal.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use perfdeck_bridge::protocol::Timestamp;
use perfdeck_bridge::testing::{self, Sample};
use perfdeck_bridge::{server, socket};

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let sample = match std::env::args().nth(1).as_deref() {
        Some("empty") => Sample::Empty,
        Some("overloaded") => Sample::Overloaded,
        Some("hostile") => Sample::Hostile,
        _ => Sample::Typical,
    };
    let host = testing::host_at(sample, Timestamp::from(SystemTime::now()));
    let listener = socket::bind("support-desk")?;
    let source = Arc::new(host.clone());
    let serve = server::serve(listener, move |_| source.clone(), Arc::default());
    let advance = async {
        let mut ticks = tokio::time::interval(Duration::from_secs(1));
        loop {
            ticks.tick().await;
            host.advance(Timestamp::from(SystemTime::now()));
        }
    };
    tokio::select! {
        () = serve => {}
        () = advance => {}
    }
    Ok(())
}
