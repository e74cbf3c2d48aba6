use perfdeck_bridge::testing::{Sample, hello, updates};

use crate::picture::picture;

#[test]
fn the_committed_pictures_are_what_the_program_draws() {
    for name in ["overview", "advice"] {
        let path = format!("{}/../assets/{name}.svg", env!("CARGO_MANIFEST_DIR"));
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        let drawn = picture(
            &hello(Sample::Typical),
            &updates(Sample::Typical),
            name,
            (120, 40),
        );
        assert!(
            drawn.as_deref() == Some(committed.as_str()),
            "{name}.svg is not what is drawn: cargo run -p perfdeck-tui --example screenshot"
        );
    }
}

#[test]
fn hostile_text_leaves_the_picture_well_formed() {
    let svg = picture(
        &hello(Sample::Hostile),
        &updates(Sample::Hostile),
        "advice",
        (120, 40),
    );
    let svg = svg.unwrap();
    assert!(svg.contains("&lt;hypothetical&gt;") || !svg.contains("<hypothetical>"));
    assert!(svg.chars().all(|char| char == '\n' || !char.is_control()));
    assert_eq!(
        picture(&hello(Sample::Empty), &[], "nowhere", (80, 24)),
        None
    );
}
