//! What is printed of requests that the host has kept whole.

use anyhow::{Result, bail};
use perfdeck_bridge::Source;
use perfdeck_bridge::protocol::{
    Answer, Exemplar, ExemplarId, ExemplarStep, Exemplars, Question, StepKind, Timestamp,
    WhichExemplar,
};

use super::table::render;
use crate::format::{self, TimeUnit, printable};
use crate::screen::requests::why;

/// The width of a whole request's bar.
const BAR: usize = 30;

/// Asks which requests of a route are kept; the route's method and path may be two words.
pub(super) async fn of_route(source: &dyn Source, route: &[String]) -> Result<Exemplars> {
    match source.ask(Question::Exemplars(route.join(" "))).await? {
        Answer::Exemplars(kept) => Ok(kept),
        _ => bail!(super::verb::CONFUSED),
    }
}

/// Asks for one of them: by its number, or a route's by a percentile.
pub(super) async fn one(
    source: &dyn Source,
    id: Option<u64>,
    route: &[String],
    percentile: u8,
) -> Result<Exemplar> {
    let which = id.map_or_else(
        || WhichExemplar::Near {
            route: route.join(" "),
            percentile,
        },
        |id| WhichExemplar::Id(ExemplarId(id)),
    );
    match source.ask(Question::Exemplar(which)).await? {
        Answer::Exemplar(exemplar) => Ok(exemplar),
        _ => bail!(super::verb::CONFUSED),
    }
}

/// Lists what is kept of a route.
pub(super) fn list(kept: &Exemplars, now: Timestamp) -> String {
    if kept.exemplars.is_empty() {
        return "No request of it is kept yet.\n".to_owned();
    }
    let unit = TimeUnit::of(kept.exemplars.iter().map(|row| row.duration_seconds));
    let rows: Vec<Vec<String>> = kept
        .exemplars
        .iter()
        .map(|row| {
            vec![
                row.id.0.to_string(),
                format::age(now.since(row.at)),
                unit.tell(row.duration_seconds),
                why(row.kept).to_owned(),
                row.status
                    .map_or_else(String::new, |status| status.to_string()),
                row.queries.to_string(),
                unit.tell(row.query_seconds),
            ]
        })
        .collect();
    let titles = [
        " id", " ago", " took", "kept as", " status", " queries", " in them",
    ];
    let mut text = render(&titles, &rows);
    if kept.not_kept > 0 {
        let more = format::count(kept.not_kept);
        text.push_str(&format!(
            "{more} more that failed or were given up are not kept.\n"
        ));
    }
    text
}

/// Tells one request, step by step.
pub(super) fn waterfall(exemplar: &Exemplar) -> String {
    let row = &exemplar.row;
    let status = row.status.map(|status| format!(", {status}"));
    let mut text = format!(
        "{}  {}{} ({})\n",
        printable(&exemplar.route, 200),
        format::seconds(row.duration_seconds),
        status.unwrap_or_default(),
        why(row.kept),
    );
    let ends = exemplar
        .steps
        .iter()
        .map(|step| step.offset_seconds + step.duration_seconds);
    let whole = ends.fold(row.duration_seconds, f64::max);
    let unit = TimeUnit::of([whole]);
    let rows: Vec<Vec<String>> = exemplar
        .steps
        .iter()
        .map(|step| {
            vec![
                unit.tell(step.offset_seconds),
                took(step),
                bar(step, whole),
                kind(step.kind).to_owned(),
                step.text
                    .as_ref()
                    .map_or_else(|| step.name.clone(), |text| text.as_str().to_owned()),
            ]
        })
        .collect();
    if rows.is_empty() {
        text.push_str("It did nothing that perfdeck sees.\n");
    } else {
        text.push_str(&render(&[" at", " took", "when", "what", ""], &rows));
    }
    if exemplar.left_out > 0 {
        let more = format::count(exemplar.left_out);
        text.push_str(&format!("and {more} further steps, not noted\n"));
    }
    text
}

fn took(step: &ExemplarStep) -> String {
    match (step.failed, step.hit) {
        (true, _) => format!("{} failed", format::seconds(step.duration_seconds)),
        (_, Some(true)) => "hit".to_owned(),
        (_, Some(false)) => "miss".to_owned(),
        _ => format::seconds(step.duration_seconds),
    }
}

/// A step's bar in seven-bit characters, which any log can hold.
fn bar(step: &ExemplarStep, whole: f64) -> String {
    let place = |seconds: f64| {
        let share = if whole > 0.0 { seconds / whole } else { 0.0 };
        (share.clamp(0.0, 1.0) * BAR as f64) as usize
    };
    let from = place(step.offset_seconds).min(BAR - 1);
    let to = place(step.offset_seconds + step.duration_seconds).max(from + 1);
    let stroke = if step.duration_seconds > 0.0 {
        "="
    } else {
        "|"
    };
    let bar = format!("{}{}", ".".repeat(from), stroke.repeat(to - from));
    format!("{bar:.<BAR$}")
}

const fn kind(kind: StepKind) -> &'static str {
    match kind {
        StepKind::Query => "query",
        StepKind::PoolWait => "pool wait",
        StepKind::CacheLookup => "cache",
        StepKind::CacheLoad => "cache load",
        StepKind::Function => "function",
        StepKind::Redis => "redis",
        StepKind::Other => "step",
    }
}
