//! Draws one real request: its steps in order, each as a bar on one axis of time.

use perfdeck_bridge::protocol::{Exemplar, ExemplarRow, ExemplarStep, StepKind, Timestamp};

use super::kept::why;
use crate::format::{self, TimeUnit};
use crate::screen::story::{self, number};
use crate::theme::{Mark, Role, Theme};
use crate::widget::table::{Column, Table, first_row};
use crate::widget::{Canvas, Piece, piece};

/// The least width at which a step's text stands beside its bar.
const ROOMY: u16 = 78;

const COLUMNS: [Column; 7] = [
    Column::right("ago", 3),
    Column::right("took", 0),
    Column::left("kept as", 0),
    Column::right("status", 1),
    Column::right("queries", 2),
    Column::right("in them", 4),
    Column::left("", 0),
];

/// Draws a list of real requests.
pub(super) fn list(
    rows: &[&ExemplarRow],
    selected: Option<usize>,
    sorted: Option<&str>,
    now: Timestamp,
    canvas: &mut Canvas<'_>,
) {
    let theme = canvas.theme();
    Table {
        columns: &COLUMNS,
        rows: cells(rows, theme, now),
        selected,
        sorted,
    }
    .draw(canvas);
}

/// Makes the cells of a list of real requests.
fn cells(rows: &[&ExemplarRow], theme: Theme, now: Timestamp) -> Vec<Vec<Piece>> {
    let unit = TimeUnit::of(rows.iter().map(|row| row.duration_seconds));
    rows.iter()
        .map(|row| {
            let bad = row.failed || row.cancelled;
            let role = if bad { Role::Over } else { Role::Text };
            let status = row
                .status
                .map_or_else(String::new, |status| status.to_string());
            let mark = if bad { theme.mark(Mark::Bad) } else { " " };
            vec![
                piece(format::age(now.since(row.at)), Role::Dim),
                piece(unit.tell(row.duration_seconds), Role::Text),
                piece(why(row.kept), role),
                piece(status, role),
                piece(format::count(u64::from(row.queries)), Role::Text),
                piece(unit.tell(row.query_seconds), Role::Text),
                piece(mark, role),
            ]
        })
        .collect()
}

/// Draws a request; `selected` is the step that is looked at.
pub(super) fn draw(
    exemplar: &Exemplar,
    selected: Option<usize>,
    now: Timestamp,
    canvas: &mut Canvas<'_>,
) {
    let height = canvas.height();
    // On a few lines the steps are what was asked for.
    let y = if height < 8 {
        0
    } else {
        summary(exemplar, now, canvas)
    };
    // The selected step's text is told whole under the steps.
    let foot = if selected.is_some() && height > y + 8 {
        4
    } else {
        0
    };
    let mut middle = canvas.part(0, y, u16::MAX, height.saturating_sub(y + foot));
    steps(exemplar, selected, &mut middle);
    if let Some(step) = selected.and_then(|place| exemplar.steps.get(place))
        && foot > 0
    {
        whole(step, &mut canvas.below(height - foot + 1));
    }
}

fn summary(exemplar: &Exemplar, now: Timestamp, canvas: &mut Canvas<'_>) -> u16 {
    let row = &exemplar.row;
    let mut took = vec![number("to the head", format::seconds(row.duration_seconds))];
    if let Some(body) = row.body_seconds {
        took.push(number("to the body's end", format::seconds(body)));
    }
    if let Some(status) = row.status {
        took.push(number("status", status.to_string()));
    }
    took.push(piece(
        why(row.kept),
        if row.failed || row.cancelled {
            Role::Over
        } else {
            Role::Text
        },
    ));
    took.push(piece(
        format!("{} ago", format::age(now.since(row.at))),
        Role::Dim,
    ));
    let y = story::listed(canvas, 0, "took", &took);
    let spent = |kind: StepKind| {
        let steps = exemplar.steps.iter().filter(move |step| step.kind == kind);
        let sum: f64 = steps.clone().map(|step| step.duration_seconds).sum();
        (steps.count(), sum)
    };
    let (queries, in_queries) = spent(StepKind::Query);
    let (waits, waited) = spent(StepKind::PoolWait);
    let (lookups, _) = spent(StepKind::CacheLookup);
    let (trips, in_redis) = spent(StepKind::Redis);
    let hits = exemplar
        .steps
        .iter()
        .filter(|step| step.hit == Some(true))
        .count();
    let mut did = Vec::new();
    if queries > 0 {
        let queries = format::plural(queries, "query", "queries");
        did.push(number(&queries, format::seconds(in_queries)));
    }
    if waits > 0 {
        did.push(number("pool wait", format::seconds(waited)));
    }
    if trips > 0 {
        did.push(number("redis", format::seconds(in_redis)));
    }
    if lookups > 0 {
        did.push(number("cache hits", format!("{hits} of {lookups}")));
    }
    did.push(number(
        "beside all steps",
        format::seconds(beside(exemplar)),
    ));
    story::listed(canvas, y, "of which", &did) + 1
}

/// The time to the head in which none of the steps ran.
fn beside(exemplar: &Exemplar) -> f64 {
    let whole = exemplar.row.duration_seconds;
    let mut covered = 0.0;
    let mut reached = 0.0_f64;
    // They come by their beginnings.
    for step in &exemplar.steps {
        let from = step.offset_seconds.clamp(reached, whole.max(reached));
        let to = (step.offset_seconds + step.duration_seconds).clamp(from, whole.max(from));
        covered += to - from;
        reached = to;
    }
    (whole - covered).max(0.0)
}

fn steps(exemplar: &Exemplar, selected: Option<usize>, canvas: &mut Canvas<'_>) {
    if exemplar.steps.is_empty() {
        let text = "It did nothing that perfdeck sees: no statement, no wait, no cache, no Redis.";
        canvas.paragraph(2, 0, text, Role::Dim, 2);
        return;
    }
    let end = exemplar
        .steps
        .iter()
        .map(|step| step.offset_seconds + step.duration_seconds);
    let whole = end.fold(exemplar.row.duration_seconds, f64::max);
    let unit = TimeUnit::of([whole]);
    let grid = Grid::of(canvas.width(), exemplar);
    canvas.put(2, 0, "what", Role::Dim);
    canvas.put_before(grid.bar - 1, 0, "took", Role::Dim);
    canvas.put(grid.bar, 0, "0", Role::Dim);
    canvas.put_before(grid.bar + grid.bars, 0, &unit.tell(whole), Role::Dim);
    if grid.text > 0 {
        canvas.put(grid.text, 0, "statement", Role::Dim);
    }
    let height = usize::from(canvas.height().saturating_sub(1));
    // The last line is for what is not shown above it.
    let whole_list = exemplar.left_out == 0 && exemplar.steps.len() <= height;
    let height = height.saturating_sub(usize::from(!whole_list));
    let first = first_row(selected, exemplar.steps.len(), height);
    let mut y = 1;
    for (place, step) in exemplar.steps.iter().enumerate().skip(first).take(height) {
        let chosen = selected == Some(place);
        if chosen {
            let mark = canvas.theme().mark(Mark::Selected);
            canvas.put(0, y, mark, Role::Selected);
        }
        line(step, chosen, whole, &grid, y, canvas);
        y += 1;
    }
    if whole_list {
        return;
    }
    let below = exemplar.steps.len().saturating_sub(first + height);
    let mut more = Vec::new();
    if below > 0 {
        more.push(format!("{below} more below"));
    }
    if exemplar.left_out > 0 {
        let further = format::count(exemplar.left_out);
        more.push(format!("{further} further ones were not noted"));
    }
    let x = canvas.put(2, y, &more.join(", "), Role::Dim);
    if below > 0 && selected.is_none() {
        let words = piece(" goes through them", Role::Dim);
        canvas.line(x + 2, y, &[piece("enter", Role::Key), words]);
    }
}

/// Where a step's parts stand.
struct Grid {
    /// The width of what it was.
    what: u16,
    bar: u16,
    bars: u16,
    /// Where its text begins; 0 without one.
    text: u16,
}

impl Grid {
    fn of(width: u16, exemplar: &Exemplar) -> Self {
        let texts = exemplar.steps.iter().any(|step| step.text.is_some()) && width >= ROOMY;
        let longest = exemplar.steps.iter().map(|step| format::width(&what(step)));
        let most = match width {
            0..60 => 12,
            60..100 => 20,
            _ => 26,
        };
        let what = (longest.max().unwrap_or(0) as u16).clamp(4, most);
        let bar = 2 + what + 1 + 7 + 2;
        let left = width.saturating_sub(bar + 1);
        let bars = if texts { left * 9 / 20 } else { left };
        Self {
            what,
            bar,
            bars: bars.max(1),
            text: if texts { bar + bars + 2 } else { 0 },
        }
    }
}

fn line(
    step: &ExemplarStep,
    chosen: bool,
    whole: f64,
    grid: &Grid,
    y: u16,
    canvas: &mut Canvas<'_>,
) {
    let text = if chosen { Role::Selected } else { Role::Text };
    let missed = step.failed || step.hit == Some(false);
    let role = if step.failed {
        Role::Over
    } else if missed {
        Role::Near
    } else {
        text
    };
    canvas.part(2, y, grid.what, 1).put(0, 0, &what(step), role);
    let took = match (step.failed, step.hit) {
        (true, _) => "failed".to_owned(),
        (_, Some(true)) => "hit".to_owned(),
        (_, Some(false)) => "miss".to_owned(),
        _ => format::seconds(step.duration_seconds),
    };
    canvas.put_before(grid.bar - 1, y, &took, role);
    let cells = f64::from(grid.bars);
    let place = |seconds: f64| {
        let share = if whole > 0.0 { seconds / whole } else { 0.0 };
        (share.clamp(0.0, 1.0) * cells) as u16
    };
    let from = place(step.offset_seconds).min(grid.bars - 1);
    let to = place(step.offset_seconds + step.duration_seconds);
    let theme = canvas.theme();
    let bar = if step.duration_seconds > 0.0 {
        let length = usize::from(to.saturating_sub(from).max(1));
        theme.bar(8).to_string().repeat(length)
    } else {
        theme.mark(Mark::Upright).to_owned()
    };
    let colour = if missed { role } else { Role::Graph };
    canvas.put(grid.bar + from, y, &bar, colour);
    if grid.text > 0
        && let Some(sql) = &step.text
    {
        canvas.put(grid.text, y, sql.as_str(), text);
    }
}

/// Tells a step in full.
fn whole(step: &ExemplarStep, canvas: &mut Canvas<'_>) {
    let at = format!("{} after it came", format::seconds(step.offset_seconds));
    let mut pieces = vec![number("from", at)];
    match step.hit {
        Some(true) => pieces.push(number("it was a", "hit")),
        Some(false) => pieces.push(number("it was a", "miss")),
        None => pieces.push(number("for", format::seconds(step.duration_seconds))),
    }
    if step.kind == StepKind::Query {
        pieces.push(number("id", &step.name));
    }
    let y = story::listed(canvas, 0, kind(step.kind), &pieces);
    let text = step
        .text
        .as_ref()
        .map_or(step.name.as_str(), |text| text.as_str());
    story::told(canvas, y, "", text, Role::Text, 2);
}

/// What a step was, in a few words.
fn what(step: &ExemplarStep) -> String {
    let name = match step.kind {
        // Its text says more than its id.
        StepKind::Query if step.text.is_some() => "",
        _ => step.name.as_str(),
    };
    format::printable(&format!("{} {name}", kind(step.kind)), 200)
        .trim_end()
        .to_owned()
}

const fn kind(kind: StepKind) -> &'static str {
    match kind {
        StepKind::Query => "query",
        StepKind::PoolWait => "wait",
        StepKind::CacheLookup => "cache",
        StepKind::CacheLoad => "load",
        StepKind::Function => "call",
        StepKind::Redis => "redis",
        StepKind::Other => "step",
    }
}
