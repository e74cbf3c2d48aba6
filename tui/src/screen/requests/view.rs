use perfdeck_bridge::protocol::{
    ExemplarRow, Level, Quantities, RequestRow, RouteDetail, Timestamp,
};

use super::kept::KeptRequests;
use super::{State, waterfall};
use crate::format::{self, TimeUnit};
use crate::screen::page::{self, Page};
use crate::screen::story::{self, number};
use crate::screen::view::host;
use crate::screen::{Verdict, View};
use crate::theme::{Role, Theme};
use crate::widget::table::{Column, Table};
use crate::widget::{Canvas, bar, chart, piece, sparkline};

pub(crate) fn verdict(view: &View<'_>, state: &State) -> Verdict {
    if let Some(kept) = &state.kept {
        return kept_verdict(kept);
    }
    let Some(requests) = view.data.requests() else {
        return Verdict::waiting();
    };
    let Some(first) = requests.routes.first() else {
        return Verdict::new(Level::Good, "No requests in the last minute.");
    };
    let level = requests.routes.iter().map(level).max().unwrap_or_default();
    let mut text = format!(
        "{} takes {} of the users' wait: p95 {} at {}.",
        first.route,
        format::share(first.wait_share),
        format::seconds(first.p95_seconds),
        format::rate(first.requests_per_second),
    );
    let failing = requests
        .routes
        .iter()
        .filter(|row| row.error_ratio > ERRORS_NEAR);
    if let Some(worst) = failing.max_by(|a, b| a.error_ratio.total_cmp(&b.error_ratio)) {
        let share = format::share(worst.error_ratio);
        text.push_str(&format!(" {share} of {} fail.", worst.route));
    }
    let background = &requests.background;
    if background.query_share >= BACKGROUND_TOLD {
        let share = format::share(background.query_share);
        text.push_str(&format!(
            " Background work: {share} of all statements' time."
        ));
    }
    Verdict::new(level, text)
}

fn kept_verdict(kept: &KeptRequests) -> Verdict {
    let route = &kept.opened.id;
    let Some(answer) = &kept.opened.answer else {
        return Verdict::new(Level::Good, format!("Asking for real requests of {route}."));
    };
    let list = match answer {
        Ok(list) if !list.exemplars.is_empty() => list,
        Ok(_) => {
            let text = format!("No request of {route} is kept yet.");
            return Verdict::new(Level::Good, text);
        }
        Err(error) => return Verdict::new(Level::Near, error.clone()),
    };
    let number = format::plural(list.exemplars.len(), "request is", "requests are");
    let mut text = format!("{route}: {number} kept whole");
    if list.not_kept > 0 {
        let more = format::count(list.not_kept);
        text.push_str(&format!(", {more} more that failed are not"));
    }
    text.push('.');
    if let (Some(percentile), Some(Ok(shown))) = (kept.percentile, kept.shown()) {
        let name = match percentile {
            100 => "longest request".to_owned(),
            percentile => format!("p{percentile}"),
        };
        let took = format::seconds(shown.row.duration_seconds);
        text.push_str(&format!(" Nearest to the {name} is this one of {took}."));
    }
    Verdict::new(Level::Good, text)
}

const ERRORS_NEAR: f64 = 0.01;
/// The share of the time in statements from which on background work is worth a sentence.
const BACKGROUND_TOLD: f64 = 0.01;

/// Judges a route by the limits of the default alerts.
fn level(row: &RequestRow) -> Level {
    if row.error_ratio > 0.05 || row.p95_seconds > 2.0 {
        Level::Over
    } else if row.error_ratio > ERRORS_NEAR || row.p95_seconds > 1.0 {
        Level::Near
    } else {
        Level::Good
    }
}

const COLUMNS: [Column; 11] = [
    Column::routes("route", 16),
    Column::right("wait", 1),
    Column::left("", 8),
    Column::right("rate", 2),
    Column::right("p50", 6),
    Column::right("p95", 0),
    Column::right("p99", 7),
    Column::right("errors", 3),
    Column::right("queries", 4),
    Column::left("p95 lately", 5),
    Column::left("", 0),
];

pub(crate) fn draw(view: &View<'_>, state: &State, canvas: &mut Canvas<'_>) {
    if let Some(kept) = &state.kept {
        return draw_kept(kept, view.now, canvas);
    }
    let Some(requests) = view.data.requests() else {
        return;
    };
    let page = Page {
        list: &state.list,
        rows: &requests.routes,
        columns: &COLUMNS,
        open: state.opened.is_some(),
        nothing: "The service has answered no request, or its routes carry no http layer.",
        status: view.data.status(),
    };
    let cells = |shown: &[&RequestRow], theme: Theme| {
        let unit = TimeUnit::of(shown.iter().map(|row| row.p99_seconds));
        let most = bar::full(shown.iter().map(|row| row.wait_share));
        let rows = shown.iter().map(|row| {
            let level = level(row);
            let time = |seconds, role| piece(unit.tell(seconds), role);
            let slow = if row.p95_seconds > 1.0 {
                Role::from(level)
            } else {
                Role::Text
            };
            let failing = if row.error_ratio > ERRORS_NEAR {
                Role::from(level)
            } else {
                Role::Text
            };
            vec![
                host(&row.route, Role::Text),
                piece(format::share(row.wait_share), Role::Text),
                piece(bar::render(theme, row.wait_share / most, 8), Role::Graph),
                piece(format::rate(row.requests_per_second), Role::Text),
                time(row.p50_seconds, Role::Text),
                time(row.p95_seconds, slow),
                time(row.p99_seconds, Role::Text),
                piece(format::share(row.error_ratio), failing),
                piece(format::quantity(row.queries_per_request.p50), Role::Text),
                piece(sparkline::render(theme, &row.recent, 12), Role::Graph),
                piece(theme.level_mark(level), Role::from(level)),
            ]
        });
        rows.collect()
    };
    let story = |row: &RequestRow, canvas: &mut Canvas<'_>| {
        let opened = state
            .opened
            .as_ref()
            .and_then(|opened| opened.of(&row.route));
        route(row, state.opened.is_some(), opened, view.now, canvas);
    };
    page.draw(canvas, cells, story);
}

/// Draws a route's real requests, and the steps of the selected one: beneath, or instead while its steps are gone through.
fn draw_kept(kept: &KeptRequests, now: Timestamp, canvas: &mut Canvas<'_>) {
    let shown = kept.list.shown(kept.rows());
    let list = |canvas: &mut Canvas<'_>| {
        let place = kept.list.place(&shown);
        let sorted = kept.list.order::<ExemplarRow>().map(|sort| sort.title);
        waterfall::list(&shown, place, sorted, now, canvas);
    };
    let request = |canvas: &mut Canvas<'_>| match kept.shown() {
        Some(Ok(exemplar)) => waterfall::draw(exemplar, kept.step, now, canvas),
        Some(Err(error)) => {
            canvas.paragraph(2, 0, error, Role::Over, 2);
        }
        None => {
            canvas.put(2, 0, "asking the host for what it did", Role::Dim);
        }
    };
    if shown.is_empty() {
        let error = match &kept.opened.answer {
            Some(Err(error)) => error.as_str(),
            Some(Ok(_)) => "Requests are kept once they have ended.",
            None => "asking the host for its requests",
        };
        page::empty(canvas, kept.list.filter(), None, error);
        return;
    }
    let height = canvas.height();
    if height < page::ROOM {
        if kept.step.is_some() {
            request(canvas);
        } else {
            list(canvas);
        }
        return;
    }
    let share = if kept.step.is_some() { 4 } else { height / 3 };
    let top = (shown.len() as u16).saturating_add(1).min(share);
    list(&mut canvas.part(0, 0, u16::MAX, top));
    canvas.rule(top + 1);
    request(&mut canvas.below(top + 2));
}

fn route(
    row: &RequestRow,
    open: bool,
    answer: Option<&Result<RouteDetail, String>>,
    now: Timestamp,
    canvas: &mut Canvas<'_>,
) {
    let mut y = story::told(canvas, 0, "route", &row.route, Role::Strong, 2);
    y = story::listed(
        canvas,
        y,
        "answers in",
        &[
            number("p50", format::seconds(row.p50_seconds)),
            number("p95", format::seconds(row.p95_seconds)),
            number("p99", format::seconds(row.p99_seconds)),
            number(
                "to the body's end",
                format!("{} (p95)", format::seconds(row.body_p95_seconds)),
            ),
        ],
    );
    y = story::listed(
        canvas,
        y,
        "since start",
        &[
            number("requests", format::count(row.requests)),
            number("failed", format::count(row.errors)),
            number("given up", format::count(row.cancelled)),
            number("under way now", under_way(row)),
        ],
    );
    y = story::listed(
        canvas,
        y,
        "database",
        &[
            number("share of the time", format::share(row.query_share)),
            number("statements a request", quantities(&row.queries_per_request)),
        ],
    );
    let height = canvas.height();
    if height > y + 4 {
        let rows = (height - y - 2).min(if open { 4 } else { 6 });
        let width = canvas.width();
        canvas.put(2, y + 1, "p95 lately", Role::Dim);
        let mut part = canvas.part(15, y + 1, width.saturating_sub(17), rows);
        chart::draw(&mut part, &row.recent, format::seconds);
        y += rows + 1;
    }
    let mut rest = canvas.below(y + 1);
    match answer {
        Some(Ok(detail)) => opened(detail, now, &mut rest),
        Some(Err(error)) => {
            rest.paragraph(2, 0, error, Role::Over, 2);
        }
        None if open => {
            rest.put(2, 0, "asking the host for its statements", Role::Dim);
        }
        None => {
            rest.line(
                2,
                0,
                &[
                    piece("enter", Role::Key),
                    piece(" its statements", Role::Dim),
                ],
            );
        }
    }
}

fn under_way(row: &RequestRow) -> String {
    let count = format::count(row.in_flight);
    match row.oldest_in_flight_seconds {
        Some(oldest) => format!("{count}, the oldest for {}", format::seconds(oldest)),
        None => count,
    }
}

/// Draws a route's statements, and some of its real requests below where there is room for both.
fn opened(detail: &RouteDetail, now: Timestamp, canvas: &mut Canvas<'_>) {
    let height = canvas.height();
    let requests = detail.exemplars.len() as u16;
    let wanted = if requests > 0 { requests + 3 } else { 0 };
    let above = (detail.statements.len() as u16 + 1).max(2);
    let room = height.saturating_sub(above.min(height / 2));
    let below = wanted.min(room);
    // With one request less there would be no row at all.
    let below = if below < 4 { 0 } else { below };
    statements(detail, &mut canvas.part(0, 0, u16::MAX, height - below));
    if below == 0 {
        return;
    }
    let top = (height - below).min(above + 1);
    let mut part = canvas.part(0, top, u16::MAX, below);
    let rows: Vec<&ExemplarRow> = detail.exemplars.iter().collect();
    let mut table = part.part(0, 1, u16::MAX, below - 1);
    waterfall::list(&rows, None, None, now, &mut table);
    let words = piece(" its real requests, one by one", Role::Dim);
    part.line(2, 0, &[piece("enter", Role::Key), words]);
}

const STATEMENTS: [Column; 4] = [
    Column::fill("statements", 20),
    Column::right("a request p50/p95/max", 2),
    Column::right("of the time", 1),
    Column::right("calls", 3),
];

fn statements(detail: &RouteDetail, canvas: &mut Canvas<'_>) {
    if detail.statements.is_empty() {
        canvas.put(2, 0, "It runs no statement.", Role::Dim);
        return;
    }
    let rows = detail.statements.iter().map(|statement| {
        vec![
            host(statement.text.as_str(), Role::Text),
            piece(quantities(&statement.per_request), Role::Text),
            piece(format::share(statement.time_share), Role::Text),
            piece(format::count(statement.calls), Role::Text),
        ]
    });
    let rows = rows.collect();
    Table {
        columns: &STATEMENTS,
        rows,
        selected: None,
        sorted: None,
    }
    .draw(canvas);
}

fn quantities(quantities: &Quantities) -> String {
    [quantities.p50, quantities.p95, quantities.max]
        .map(format::quantity)
        .join(" / ")
}
