//! Draws the pictures of the README: `cargo run -p perfdeck-tui --example screenshot`.

use anyhow::Context as _;
use perfdeck_bridge::testing::{Sample, hello, updates};

fn main() -> anyhow::Result<()> {
    let assets = concat!(env!("CARGO_MANIFEST_DIR"), "/../assets");
    std::fs::create_dir_all(assets).with_context(|| format!("could not make {assets}"))?;
    for name in ["overview", "advice"] {
        let (hello, updates) = (hello(Sample::Typical), updates(Sample::Typical));
        let svg = perfdeck_tui::picture(&hello, &updates, name, (120, 40));
        let svg = svg.context("there is no such screen")?;
        let path = format!("{assets}/{name}.svg");
        std::fs::write(&path, svg).with_context(|| format!("could not write {path}"))?;
    }
    Ok(())
}
