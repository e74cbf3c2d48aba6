use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::canvas::Canvas;
use super::table::{Column, Table, first_row};
use super::{bar, chart, modal::Modal, piece, sparkline};
use crate::theme::{Glyphs, Role, Theme};
use proptest::prelude::*;

fn drawn(width: u16, height: u16, draw: impl FnOnce(&mut Canvas<'_>)) -> String {
    let area = Rect::new(0, 0, width, height);
    let mut buffer = Buffer::empty(area);
    draw(&mut Canvas::new(&mut buffer, area, Theme::FULL));
    let lines = (0..height).map(|y| {
        let line: String = (0..width).map(|x| buffer[(x, y)].symbol()).collect();
        line.trim_end().to_owned()
    });
    lines.collect::<Vec<_>>().join("\n")
}

const COLUMNS: [Column; 3] = [
    Column::fill("name", 4),
    Column::right("calls", 0),
    Column::right("share", 1),
];

fn table() -> Table<'static> {
    let row = |name: &str, calls: &str, share: &str| {
        [name, calls, share]
            .map(|text| piece(text, Role::Text))
            .to_vec()
    };
    Table {
        columns: &COLUMNS,
        rows: vec![row("first", "12", "61%"), row("second", "1 204", "7.0%")],
        selected: Some(1),
        sorted: None,
    }
}

#[test]
fn numbers_meet_at_the_right() {
    let expected = "  name    calls  share\n  first      12    61%\n▸ second  1 204   7.0%";
    assert_eq!(drawn(24, 3, |canvas| table().draw(canvas)), expected);
}

#[test]
fn a_column_without_room_is_dropped_whole() {
    let expected = "  name    calls\n  first      12\n▸ second  1 204";
    assert_eq!(drawn(19, 3, |canvas| table().draw(canvas)), expected);
}

#[test]
fn the_selected_row_is_always_shown() {
    let check = |selected, rows, height, first| {
        assert_eq!(first_row(selected, rows, height), first);
    };
    check(None, 100, 10, 0);
    check(Some(50), 100, 10, 45);
    check(Some(99), 100, 10, 90);
    check(Some(1), 2, 10, 0);
}

#[test]
fn a_sparkline_shows_peaks_and_keeps_noise_flat() {
    let check = |values: &[f32], width, expected: &str| {
        assert_eq!(sparkline::render(Theme::FULL, values, width), expected);
    };
    check(&[1.0, 2.0, 4.0, 8.0], 4, "▁▂▄█");
    check(&[1.0, 9.0, 1.0, 1.0], 2, "█▁");
    check(&[5.0, 5.1, 5.0], 3, "▁▁▁");
    check(&[f32::NAN, 1.0, 2.0], 4, "  ▁█");
    check(&[], 3, "   ");
    check(&[f32::MIN, 0.0, f32::MAX], 3, "▁██");
}

#[test]
fn a_bar_is_drawn_in_eighths() {
    let check =
        |share, expected: &str| assert_eq!(bar::render(Theme::FULL, share, 4), expected, "{share}");
    check(1.0, "████");
    check(0.5, "██  ");
    check(0.53, "██▏ ");
    check(0.0001, "▏   ");
    check(f64::NAN, "    ");
}

#[test]
fn ascii_draws_seven_bits_only() {
    let theme = Theme {
        glyphs: Glyphs::Ascii,
        ..Theme::FULL
    };
    let area = Rect::new(0, 0, 30, 6);
    let mut buffer = Buffer::empty(area);
    let mut canvas = Canvas::new(&mut buffer, area, theme);
    table().draw(&mut canvas);
    chart::draw(&mut canvas.below(3), &[1.0, 2.0, 3.0], |value| {
        format!("{value}ms")
    });
    canvas.put(0, 5, "宽字符 …", Role::Text);
    assert!(buffer.content.iter().all(|cell| cell.symbol().is_ascii()));
}

proptest! {
    #[test]
    fn no_area_and_no_values_panic(
        width in 0_u16..50,
        height in 0_u16..12,
        values in proptest::collection::vec(any::<f32>(), 0..80),
        share in any::<f64>(),
    ) {
        drawn(width, height, |canvas| {
            table().draw(canvas);
            chart::draw(canvas, &values, |value| format!("{value}"));
            canvas.put(3, 1, &sparkline::render(Theme::FULL, &values, width), Role::Text);
            canvas.put(60, 1, &bar::render(Theme::FULL, share, width), Role::Text);
            let title_end = vec![piece("risk: schema", Role::Over)];
            let modal = Modal {
                title: "Apply",
                foot_end: title_end.clone(),
                title_end,
                foot: vec![],
                width: 40,
                height: 8,
            };
            modal.draw(canvas, |inside| {
                inside.paragraph(0, 0, "some text that is wrapped", Role::Text, 9);
            });
        });
    }
}
