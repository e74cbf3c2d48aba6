//! The program; what it does is in the library beside it.

use clap::Parser;

fn main() -> anyhow::Result<()> {
    let options = perfdeck_demo::Options::parse();
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(perfdeck_demo::run(options))
}
