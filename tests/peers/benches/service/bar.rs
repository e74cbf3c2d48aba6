//! What perfdeck promises of a whole service, and whether it is so.

use std::fmt::Display;

use perfdeck_peers::table::number;

use crate::outfit::Outfit;
use crate::outfit::deck::{LAYERS, POOL};
use crate::round::{Row, Summary};
use crate::route::{HELLO, NOTE, Route};

/// Instructions of a request beyond those of the bare service.
const HELLO_INSTRUCTIONS: f64 = 2_200.0;
const NOTE_INSTRUCTIONS: f64 = 6_500.0;

/// Instructions of one statement through a wrapped pool.
const STATEMENT_INSTRUCTIONS: f64 = 1_500.0;

/// Ratios to the bare service.
const RATE: f64 = 0.95;
const P99: f64 = 1.10;
const PROCESSOR: f64 = 1.05;

/// What was measured on a route.
type Measured = (&'static Route, Vec<Row>);

/// Prints a line for each promise.
pub(crate) fn print(measured: &[Measured]) {
    println!("\n### What is promised\n");
    for outfit in [&LAYERS, &POOL] {
        for (route, rows) in measured {
            let ratio = find(rows, outfit).and_then(|row| row.ratio);
            if let Some(ratio) = ratio {
                print_ratios(&format!("{}, {}", outfit.name, route.name), &ratio);
            }
        }
    }
    let beyond = |outfit, route| beyond(measured, outfit, route);
    for (route, most) in [(&HELLO, HELLO_INSTRUCTIONS), (&NOTE, NOTE_INSTRUCTIONS)] {
        let what = format!("{}, {}: instructions of a request", LAYERS.name, route.name);
        print_instructions(&what, beyond(&LAYERS, route), most);
    }
    let statement = beyond(&POOL, &NOTE) - beyond(&POOL, &HELLO);
    let what = format!("{}: instructions of a statement", POOL.name);
    print_instructions(&what, statement, STATEMENT_INSTRUCTIONS);
}

fn print_ratios(what: &str, ratio: &Summary) {
    let Summary {
        rate,
        p99_millis: p99,
        processor_micros: processor,
    } = ratio;
    let is_met = rate.median >= RATE;
    print_line(
        &format!("{what}: throughput"),
        is_met,
        rate,
        &format!("at least {RATE}"),
    );
    for (name, ratio, most) in [("p99", p99, P99), ("CPU a request", processor, PROCESSOR)] {
        let is_met = ratio.median <= most;
        print_line(
            &format!("{what}: {name}"),
            is_met,
            ratio,
            &format!("at most {most}"),
        );
    }
}

fn print_instructions(what: &str, value: f64, most: f64) {
    if value.is_finite() {
        print_line(
            what,
            value <= most,
            &number(value, 0),
            &format!("at most {most}"),
        );
    } else {
        println!("- not measured: {what}");
    }
}

fn print_line(what: &str, is_met: bool, value: &impl Display, bar: &str) {
    let met = if is_met { "met" } else { "not met" };
    println!("- {met}: {what} {value}, {bar}");
}

fn find<'a>(rows: &'a [Row], outfit: &Outfit) -> Option<&'a Row> {
    rows.iter().find(|row| row.outfit.name == outfit.name)
}

/// Returns the instructions of a request beyond those of the bare service, on the threads that serve; not a number where
/// they weren't counted.
fn beyond(measured: &[Measured], outfit: &Outfit, route: &Route) -> f64 {
    let rows = measured.iter().find(|(known, _)| known.name == route.name);
    let counted = |row: Option<&Row>| row.and_then(|row| row.instructions);
    let counts = rows.and_then(|(_, rows)| {
        let bare = counted(rows.first())?;
        Some(counted(find(rows, outfit))?.own - bare.own)
    });
    counts.unwrap_or(f64::NAN)
}
