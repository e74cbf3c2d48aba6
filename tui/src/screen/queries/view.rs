use perfdeck_bridge::protocol::{CallSite, Level, QueryDetail, QueryRow};

use super::State;
use crate::format::{self, TimeUnit, fit_route, printable};
use crate::screen::page::Page;
use crate::screen::story::{self, number};
use crate::screen::view::host;
use crate::screen::{Verdict, View};
use crate::theme::{Role, Theme};
use crate::widget::table::{Column, Table};
use crate::widget::{Canvas, bar, chart, piece, sparkline};

pub(crate) fn verdict(view: &View<'_>, _: &State) -> Verdict {
    let Some(queries) = view.data.queries() else {
        return Verdict::waiting();
    };
    if queries.slow_only {
        let text =
            "Only slow statements are seen, so there are no counts and rates; 0 Doctor says why.";
        return Verdict::new(Level::Near, text);
    }
    let Some(first) = queries.queries.first() else {
        return Verdict::new(Level::Good, "No statements in the last minute.");
    };
    let from = first.route.as_ref().map_or_else(
        || "from background work".to_owned(),
        |route| format!("from {}", printable(route, 48)),
    );
    let text = format!(
        "{} of the time in the database is one statement, {from}: p95 {} at {}.",
        format::share(first.time_share),
        format::seconds(first.p95_seconds),
        format::rate(first.calls_per_second),
    );
    Verdict::new(Level::Good, text)
}

const COLUMNS: [Column; 10] = [
    Column::fill("statement", 40),
    Column::left("from", 7),
    Column::right("time", 1),
    Column::left("", 8),
    Column::right("rate", 2),
    Column::right("p50", 6),
    Column::right("p95", 0),
    Column::right("rows", 5),
    Column::right("calls", 9),
    Column::left("p95 lately", 4),
];

pub(crate) fn draw(view: &View<'_>, state: &State, canvas: &mut Canvas<'_>) {
    let Some(queries) = view.data.queries() else {
        return;
    };
    // Where only slow statements are seen, numbers of calls would be wrong.
    let counted = |told: String| {
        if queries.slow_only {
            format::NOTHING.to_owned()
        } else {
            told
        }
    };
    let page = Page {
        list: &state.list,
        rows: &queries.queries,
        columns: &COLUMNS,
        open: state.opened.is_some(),
        nothing: "No statement has been seen: hand the pool to the deck, or add its layer.",
        status: view.data.status(),
    };
    let cells = |shown: &[&QueryRow], theme: Theme| {
        let unit = TimeUnit::of(shown.iter().map(|row| row.p95_seconds));
        let most = bar::full(shown.iter().map(|row| row.time_share));
        let rows = shown.iter().map(|row| {
            let route = row.route.as_deref().unwrap_or("background");
            vec![
                host(row.text.as_str(), Role::Text),
                piece(fit_route(&printable(route, 512), 22), Role::Dim),
                piece(format::share(row.time_share), Role::Text),
                piece(bar::render(theme, row.time_share / most, 8), Role::Graph),
                piece(counted(format::rate(row.calls_per_second)), Role::Text),
                piece(unit.tell(row.p50_seconds), Role::Text),
                piece(unit.tell(row.p95_seconds), Role::Text),
                piece(format::quantity(row.rows_per_call), Role::Text),
                piece(counted(format::count(row.calls)), Role::Text),
                piece(sparkline::render(theme, &row.recent, 12), Role::Graph),
            ]
        });
        rows.collect()
    };
    let story = |row: &QueryRow, canvas: &mut Canvas<'_>| {
        let opened = state
            .opened
            .as_ref()
            .and_then(|opened| opened.of(&row.id.0));
        statement(row, state.opened.is_some(), opened, canvas);
    };
    page.draw(canvas, cells, story);
}

fn statement(
    row: &QueryRow,
    open: bool,
    answer: Option<&Result<QueryDetail, String>>,
    canvas: &mut Canvas<'_>,
) {
    let lines = if open { canvas.height() / 2 } else { 3 };
    let mut y = story::told(
        canvas,
        0,
        "statement",
        row.text.as_str(),
        Role::Strong,
        lines.max(1),
    );
    y = story::listed(
        canvas,
        y,
        "takes",
        &[
            number("p50", format::seconds(row.p50_seconds)),
            number("p95", format::seconds(row.p95_seconds)),
            number("p99", format::seconds(row.p99_seconds)),
            number("rows a call", format::quantity(row.rows_per_call)),
        ],
    );
    y = story::listed(
        canvas,
        y,
        "since start",
        &[
            number("calls", format::count(row.calls)),
            number(
                "failed",
                row.errors
                    .map_or_else(|| "not seen".to_owned(), format::count),
            ),
        ],
    );
    let pool = row.pool.as_deref().unwrap_or("not seen");
    y = story::listed(
        canvas,
        y,
        "runs on",
        &[number(&row.database, ""), number("pool", pool)],
    );
    let height = canvas.height();
    if height > y + 4 && (!open || height > y + 12) {
        let rows = (height - y - 2).min(if open { 4 } else { 6 });
        let width = canvas.width();
        canvas.put(2, y + 1, "p95 lately", Role::Dim);
        let mut part = canvas.part(15, y + 1, width.saturating_sub(17), rows);
        chart::draw(&mut part, &row.recent, format::seconds);
        y += rows + 1;
    }
    let mut rest = canvas.below(y + 1);
    match answer {
        Some(Ok(detail)) => opened(detail, &mut rest),
        Some(Err(error)) => {
            rest.paragraph(2, 0, error, Role::Over, 2);
        }
        None if open => {
            rest.put(2, 0, "asking the host for its routes", Role::Dim);
        }
        None => {
            let words = piece(" its routes and its distribution", Role::Dim);
            rest.line(2, 0, &[piece("enter", Role::Key), words]);
        }
    }
}

const ROUTES: [Column; 2] = [Column::routes("run by", 16), Column::right("calls", 0)];
const DISTRIBUTION: [Column; 3] = [
    Column::right("up to", 0),
    Column::left("", 1),
    Column::right("calls", 0),
];

/// Draws where the busiest routes call the statement, and returns the next free line.
///
/// Callers of a caller come where there is room for all of them.
fn called_from(sites: &[CallSite], canvas: &mut Canvas<'_>) -> u16 {
    // The tables below take the most.
    let most = usize::from(canvas.height() / 3);
    let all: usize = sites.iter().map(|site| site.frames.len()).sum();
    let each = if all <= most { usize::MAX } else { 1 };
    let routes = sites.iter().take(most);
    let routes: Vec<_> = routes
        .map(|site| (fit_route(&printable(&site.route, 512), 24), site))
        .collect();
    if routes.is_empty() {
        return 0;
    }
    let widest = routes.iter().map(|(route, _)| format::width(route)).max();
    let label = story::told(canvas, 0, "called from", "", Role::Text, 1);
    let x = story::text_at(canvas);
    let function = x + widest.unwrap_or(0) as u16 + 2;
    let room = usize::from(canvas.width().saturating_sub(function));
    let mut y = 0;
    for (route, site) in &routes {
        canvas.put(x, y, route, Role::Dim);
        for frame in site.frames.iter().take(each) {
            let place = match (&frame.file, frame.line) {
                (Some(file), Some(line)) => format!("{}:{line}", printable(file, 512)),
                _ => String::new(),
            };
            // Of both the end says the most.
            let Some(name) = &frame.function else {
                canvas.put(function, y, &fit_route(&place, room), Role::Text);
                y += 1;
                continue;
            };
            let place = fit_route(&place, room / 2);
            let left = room.saturating_sub(format::width(&place) + 2);
            let name = fit_path(&printable(name, 512), left);
            let end = canvas.put(function, y, &name, Role::Text);
            canvas.put(end + 2, y, &place, Role::Dim);
            y += 1;
        }
    }
    y.max(label) + 1
}

/// Fits a function's path, of which the last modules say the most.
fn fit_path(path: &str, limit: usize) -> String {
    if format::width(path) <= limit {
        return path.to_owned();
    }
    let mut tails = path
        .match_indices("::")
        .filter_map(|(at, _)| path.get(at..));
    match tails.find(|tail| format::width(tail) < limit) {
        Some(tail) => format!("…{tail}"),
        None => fit_route(path, limit),
    }
}

fn opened(detail: &QueryDetail, canvas: &mut Canvas<'_>) {
    let y = called_from(&detail.call_sites, canvas);
    let canvas = &mut canvas.below(y);
    let rows = detail.routes.iter().map(|route| {
        vec![
            host(&route.route, Role::Text),
            piece(format::count(route.calls), Role::Text),
        ]
    });
    let routes = Table {
        columns: &ROUTES,
        rows: rows.collect(),
        selected: None,
        sorted: None,
    };
    let (width, height) = (canvas.width(), canvas.height());
    let half = if width < 70 { width } else { width / 2 };
    routes.draw(&mut canvas.part(0, 0, half, height));
    let place = if width < 70 {
        (0, routes.rows.len() as u16 + 2)
    } else {
        (half, 0)
    };
    let mut right = canvas.part(place.0, place.1, half, height);
    let bins = bins(
        &detail.distribution,
        usize::from(right.height().saturating_sub(1)),
    );
    let most = bins.iter().map(|bin| bin.1).max().unwrap_or(0).max(1);
    let unit = TimeUnit::of(bins.iter().map(|bin| bin.0));
    let theme = right.theme();
    let rows = bins.iter().map(|(bound, count)| {
        let share = *count as f64 / most as f64;
        vec![
            piece(unit.tell(*bound), Role::Text),
            piece(bar::render(theme, share, 20), Role::Graph),
            piece(format::count(*count), Role::Text),
        ]
    });
    let rows = rows.collect();
    Table {
        columns: &DISTRIBUTION,
        rows,
        selected: None,
        sorted: None,
    }
    .draw(&mut right);
}

/// Joins neighbours until at most `most` bins are left.
fn bins(distribution: &[(f64, u64)], most: usize) -> Vec<(f64, u64)> {
    if most == 0 {
        return Vec::new();
    }
    distribution
        .chunks(distribution.len().div_ceil(most).max(1))
        .map(|bins| {
            let bound = bins.last().map_or(0.0, |bin| bin.0);
            (
                bound,
                bins.iter()
                    .fold(0_u64, |sum, bin| sum.saturating_add(bin.1)),
            )
        })
        .collect()
}
