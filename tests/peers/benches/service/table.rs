//! One Markdown table a route.

use perfdeck_peers::callgrind::Instructions;
use perfdeck_peers::table::number;

use crate::outfit::Outfit;
use crate::round::Row;
use crate::route::Route;

/// Prints what was measured: the bare service as it is, the others beside it.
pub(crate) fn print(route: &Route, rows: &[Row]) {
    println!("\n### {}: {}\n", route.name, route.about);
    let heads = [
        route.name,
        "requests a second",
        "times bare",
        "p99, ms",
        "times bare",
        "CPU a request, us",
        "times bare",
        "instructions",
        "lost",
    ];
    println!("| {} |", heads.join(" | "));
    println!("|---|{}", "---:|".repeat(heads.len() - 1));
    let bare = rows.first().and_then(|row| row.instructions);
    for row in rows {
        println!("| {} | {} |", row.outfit.name, cells(row, bare).join(" | "));
    }
}

/// Prints what must be known of the outfits.
pub(crate) fn print_notes(outfits: &[&Outfit]) {
    println!();
    for outfit in outfits {
        println!("- {}: {}", outfit.name, outfit.note);
    }
}

fn cells(row: &Row, bare: Option<Instructions>) -> [String; 8] {
    let own = row.own;
    let ratio =
        |of: fn(&crate::round::Summary) -> String| row.ratio.as_ref().map_or_else(String::new, of);
    [
        number(own.rate.median, 0),
        ratio(|ratio| ratio.rate.to_string()),
        number(own.p99_millis.median, 3),
        ratio(|ratio| ratio.p99_millis.to_string()),
        number(own.processor_micros.median, 1),
        ratio(|ratio| ratio.processor_micros.to_string()),
        instructions(row, bare),
        match row.lost {
            Some(lost) if lost.abs() < 5e-5 => "0".to_owned(),
            Some(lost) => format!("{:.2} %", lost * 100.0),
            None => String::new(),
        },
    ]
}

fn instructions(row: &Row, bare: Option<Instructions>) -> String {
    let (Some(own), Some(bare)) = (row.instructions, bare) else {
        return number(f64::NAN, 0);
    };
    if row.ratio.is_none() {
        return number(bare.own, 0);
    }
    let (own, background) = (own.own - bare.own, own.background - bare.background);
    format!("{own:+.0} {background:+.0}")
}
