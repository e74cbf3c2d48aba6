//! A frame as an SVG, for documents: the same drawing as in a terminal, without one.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use perfdeck_bridge::protocol::{Hello, Update};
use ratatui::buffer::{Buffer, Cell};
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier};

use crate::draw::draw;
use crate::model::Model;
use crate::msg::{LinkMsg, Msg};
use crate::screen::Screen;
use crate::theme::Theme;
use crate::update::update;

/// A cell's width and height.
const CELL: (f64, f64) = (8.4, 18.0);

/// The space around the frame.
const MARGIN: f64 = 14.0;

/// Draws a screen as an SVG, one second after the states arrived; `None` if no screen has this title.
///
/// It needs no fonts of its own: text is stretched to its cells, and blocks and rules are drawn as shapes.
#[must_use]
pub fn picture(
    hello: &Hello,
    updates: &[Arc<Update>],
    title: &str,
    (width, height): (u16, u16),
) -> Option<String> {
    let screen = Screen::ALL
        .into_iter()
        .find(|screen| screen.title().eq_ignore_ascii_case(title))?;
    let now = updates
        .iter()
        .map(|update| update.at)
        .max()
        .unwrap_or_default();
    let mut model = Model::new(now);
    model.screen = screen;
    update(
        &mut model,
        Msg::Link(LinkMsg::Attached(Box::new(hello.clone()))),
    );
    for state in updates {
        update(&mut model, Msg::Update(Arc::clone(state)));
    }
    update(&mut model, Msg::Tick(now.after(Duration::from_secs(1))));
    let area = Rect::new(0, 0, width, height);
    let mut buffer = Buffer::empty(area);
    draw(&model, Theme::FULL, &mut buffer, area);
    Some(svg(&buffer))
}

fn svg(buffer: &Buffer) -> String {
    let area = buffer.area;
    let (width, height) = (
        f64::from(area.width) * CELL.0 + 2.0 * MARGIN,
        f64::from(area.height) * CELL.1 + 2.0 * MARGIN,
    );
    let (ink, ground) = Theme::PICTURE;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" \
         font-family=\"ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace\" \
         font-size=\"14\" shape-rendering=\"crispEdges\">\n<rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"{}\"/>\n",
        hex(ground, ground),
    );
    for y in area.top()..area.bottom() {
        let mut x = area.left();
        while x < area.right() {
            let run = run(buffer, x, y);
            let (left, top) = (
                MARGIN + f64::from(x) * CELL.0,
                MARGIN + f64::from(y) * CELL.1,
            );
            if let Some(cell) = buffer.cell((x, y)) {
                draw_run(&mut svg, cell, &run, (left, top), &hex(cell.fg, ink));
            }
            x += run.chars().count().max(1) as u16;
        }
    }
    svg.push_str("</svg>\n");
    svg
}

/// Returns the text from a place on that is drawn in one piece: one style, and blocks apart from letters.
fn run(buffer: &Buffer, x: u16, y: u16) -> String {
    let Some(first) = buffer.cell((x, y)) else {
        return String::new();
    };
    let kind = shape(first.symbol()).map(|_| first.symbol());
    let mut run = String::new();
    for cell in (x..buffer.area.right()).map_while(|x| buffer.cell((x, y))) {
        let same = cell.fg == first.fg && cell.modifier == first.modifier;
        if !same || shape(cell.symbol()).map(|_| cell.symbol()) != kind {
            break;
        }
        // Wide gaps are left out of the text, since a viewer may fold them.
        if run.ends_with("  ") != cell.symbol().eq(" ") && run.ends_with("  ") {
            break;
        }
        run.push_str(cell.symbol());
    }
    run
}

fn draw_run(svg: &mut String, cell: &Cell, run: &str, (x, y): (f64, f64), colour: &str) {
    let columns = run.chars().count() as f64;
    // Writing to a string can't fail.
    if let Some((dx, dy, wide, high)) = shape(cell.symbol()) {
        let width = if wide < 1.0 && columns > 1.0 {
            columns
        } else {
            wide * columns
        };
        let _ = writeln!(
            svg,
            "<rect x=\"{:.1}\" y=\"{:.2}\" width=\"{:.1}\" height=\"{:.2}\" fill=\"{colour}\"/>",
            x + dx * CELL.0,
            y + dy * CELL.1,
            width * CELL.0,
            high * CELL.1,
        );
        return;
    }
    let text = run.trim();
    if text.is_empty() {
        return;
    }
    let before = run.chars().count() - run.trim_start().chars().count();
    let bold = cell.modifier.contains(Modifier::BOLD);
    let weight = if bold { " font-weight=\"bold\"" } else { "" };
    let escaped = text
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    let _ = writeln!(
        svg,
        "<text x=\"{:.1}\" y=\"{:.1}\" textLength=\"{:.1}\" lengthAdjust=\"spacingAndGlyphs\" \
         fill=\"{colour}\"{weight} xml:space=\"preserve\">{escaped}</text>",
        x + before as f64 * CELL.0,
        y + CELL.1 * 0.74,
        text.chars().count() as f64 * CELL.0,
    );
}

/// Returns the part of its cell that a block or a rule fills: left, top, width and height.
fn shape(symbol: &str) -> Option<(f64, f64, f64, f64)> {
    let eighth = |steps: &str| steps.chars().position(|step| symbol.chars().eq([step]));
    if let Some(place) = eighth("▁▂▃▄▅▆▇█") {
        let high = (place + 1) as f64 / 8.0;
        return Some((0.0, 1.0 - high, 1.0, high));
    }
    if let Some(place) = eighth("▏▎▍▌▋▊▉") {
        return Some((0.0, 0.0, (place + 1) as f64 / 8.0, 1.0));
    }
    match symbol {
        "─" => Some((0.0, 0.5, 1.0, 0.06)),
        "━" => Some((0.0, 0.47, 1.0, 0.12)),
        "│" => Some((0.45, 0.0, 0.12, 1.0)),
        _ => None,
    }
}

fn hex(colour: Color, otherwise: Color) -> String {
    match (colour, otherwise) {
        (Color::Rgb(r, g, b), _) | (_, Color::Rgb(r, g, b)) => format!("#{r:02x}{g:02x}{b:02x}"),
        _ => "currentColor".to_owned(),
    }
}
