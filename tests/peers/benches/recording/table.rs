//! One Markdown table a case.

use perfdeck_peers::table::number;

use crate::case::Case;
use crate::round::Measured;

/// Prints what was measured: the first row as it is, the others less it.
pub(crate) fn print(case: &Case, measured: &[Measured]) {
    println!("\n### {}\n\n{}\n", case.title, case.about);
    let heads = [
        case.name,
        "ns",
        "ns, less the first",
        "times the first",
        "CPU ns, 1 thread",
        "CPU ns, 2 threads",
        "2 / 1",
        "instructions",
        "in the background",
        "lost",
    ];
    println!("| {} |", heads.join(" | "));
    println!("|---|{}", "---:|".repeat(heads.len() - 1));
    let Some(first) = measured.first() else {
        return;
    };
    for row in measured {
        let base = (!std::ptr::eq(row, first)).then_some(first);
        println!("| {} | {} |", row.row.name, cells(row, base).join(" | "));
    }
    let notes = measured.iter().filter(|row| !row.row.note.is_empty());
    for (number, row) in notes.enumerate() {
        if number == 0 {
            println!();
        }
        println!("- {}: {}", row.row.name, row.row.note);
    }
}

fn cells(row: &Measured, base: Option<&Measured>) -> [String; 9] {
    let less = |value: fn(&Measured) -> f64| value(row) - base.map_or(0.0, value);
    let (one, two) = (less(|row| row.one_thread), less(|row| row.two_threads));
    // Nothing can be said of the ratio of two differences that are noise.
    let ratio = if one >= 1.0 { two / one } else { f64::NAN };
    let own = |row: &Measured| row.instructions.map_or(f64::NAN, |counted| counted.own);
    let background = |row: &Measured| {
        let counted = row.instructions;
        counted.map_or(f64::NAN, |counted| counted.background)
    };
    [
        number(row.wall, 1),
        base.map_or_else(String::new, |base| number(row.wall - base.wall, 1)),
        base.map_or_else(String::new, |base| number(row.wall / base.wall, 2)),
        number(one, 1),
        number(two, 1),
        number(ratio, 2),
        number(less(own), 0),
        number(less(background), 0),
        match row.lost {
            Some(lost) if lost.abs() < 5e-5 => "0".to_owned(),
            Some(lost) => format!("{:.2} %", lost * 100.0),
            None => String::new(),
        },
    ]
}
