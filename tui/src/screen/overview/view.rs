use perfdeck_bridge::protocol::{Level, Overview, Vital, Vitals};

use super::State;
use crate::format::{self, TimeUnit};
use crate::screen::view::host;
use crate::screen::{Verdict, View};
use crate::theme::{Mark, Role};
use crate::widget::table::{Column, Table};
use crate::widget::{Canvas, bar, chart, piece, sparkline};

/// The least width at which everything has its place beside everything else.
const WIDE: u16 = 100;

pub(crate) fn verdict(view: &View<'_>, _: &State) -> Verdict {
    let Some(overview) = view.data.overview() else {
        return Verdict::waiting();
    };
    let summary = &overview.summary;
    if summary.text.is_empty() {
        return Verdict::new(
            Level::Good,
            "Nothing to tell yet: the service has served no request.",
        );
    }
    let since = summary.since.map(|since| {
        let age = format::age(view.now.since(since));
        format!("since {} UTC, {age}", format::clock(since))
    });
    let verdict = Verdict {
        since,
        ..Verdict::new(summary.level, &summary.text)
    };
    match (&summary.finding, summary.level) {
        (Some(_), _) => verdict.hint("a", "see and apply it"),
        (None, Level::Good) => verdict,
        (None, Level::Near | Level::Over) => verdict.hint("7", "advice"),
    }
}

pub(crate) fn draw(view: &View<'_>, state: &State, canvas: &mut Canvas<'_>) {
    let Some(overview) = view.data.overview() else {
        return;
    };
    let meters = meters(&overview.vitals);
    if canvas.height() < 9 {
        // The worst numbers and the worst routes; everything else is behind `enter`.
        let columns = (canvas.width() / 38).max(1);
        let y = grid(&worst(meters, usize::from(columns * 2)), columns, canvas);
        return time(state, overview, &mut canvas.below(y));
    }
    score(overview, canvas);
    let y = 2 + if canvas.width() >= WIDE {
        grid(&meters, 4, &mut canvas.below(2))
    } else {
        let columns = (canvas.width() / 38).max(1);
        grid(
            &worst(meters, usize::from(columns * 4)),
            columns,
            &mut canvas.below(2),
        )
    };
    let mut rest = canvas.below(y + 1);
    if rest.width() >= WIDE {
        beside(view, state, overview, &mut rest);
    } else {
        let (width, height) = (rest.width(), rest.height());
        let rows = (overview.time.len() as u16).saturating_add(1).min(height);
        time(state, overview, &mut rest.part(0, 0, width, rows));
        if rows + 3 < height {
            changes(overview, &mut rest.part(2, rows + 1, width, height));
        }
    }
}

/// Draws where the time goes and what changed beside each other, and the course of both main numbers below.
fn beside(view: &View<'_>, state: &State, overview: &Overview, canvas: &mut Canvas<'_>) {
    let (width, height) = (canvas.width(), canvas.height());
    let left = width * 55 / 100;
    let routes = (overview.time.len() as u16).saturating_add(1).min(height);
    let charts = height.saturating_sub(routes.max(9) + 2).min(14);
    let top = if charts >= 5 { routes.max(9) } else { height };
    time(state, overview, &mut canvas.part(0, 0, left - 2, top));
    let end = changes(overview, &mut canvas.part(left + 2, 0, width, top));
    blind(
        view,
        &mut canvas.part(left + 2, end + 1, width, top.saturating_sub(end + 1)),
    );
    for y in 0..top {
        let mark = canvas.theme().mark(Mark::Upright);
        canvas.put(left, y, mark, Role::Rule);
    }
    if top < height {
        let vitals = &overview.vitals;
        let mut charts = canvas.part(0, top + 1, width, charts + 1);
        let (rows, half) = (charts.height(), left - 2);
        charts.put(2, 0, "p95 of all requests", Role::Dim);
        let recent = &vitals.request_p95_seconds.recent;
        chart::draw(
            &mut charts.part(2, 1, half - 2, rows - 1),
            recent,
            format::seconds,
        );
        charts.put(left + 2, 0, "requests", Role::Dim);
        let recent = &vitals.requests_per_second.recent;
        chart::draw(
            &mut charts.part(left + 2, 1, width - left - 3, rows - 1),
            recent,
            format::rate,
        );
    }
}

fn score(overview: &Overview, canvas: &mut Canvas<'_>) {
    let x = canvas.put(2, 0, "score ", Role::Dim);
    let role = match overview.score.value {
        value if value >= 90.0 => Role::Good,
        value if value >= 70.0 => Role::Near,
        _ => Role::Over,
    };
    let x = canvas.put(x, 0, &format!("{:>3.0}", overview.score.value), role);
    let parts: Vec<_> = overview
        .score
        .parts
        .iter()
        .map(|part| host(&format!("{} -{:.0}", part.label, part.points), Role::Text))
        .collect();
    canvas.whole(x + 3, 0, 3, &parts);
}

/// One number of the grid.
struct Meter<'a> {
    short: &'static str,
    /// The name that needs no neighbour to be understood.
    long: &'static str,
    value: String,
    vital: &'a Vital,
}

fn meters(vitals: &Vitals) -> Vec<Meter<'_>> {
    let mut meters = vec![
        meter(
            "requests",
            "requests",
            &vitals.requests_per_second,
            format::rate,
        ),
        meter("p95", "p95", &vitals.request_p95_seconds, format::seconds),
        meter("errors", "errors", &vitals.error_ratio, format::share),
        meter(
            "in flight",
            "in flight",
            &vitals.in_flight,
            format::quantity,
        ),
        meter(
            "queries",
            "queries",
            &vitals.queries_per_second,
            format::rate,
        ),
        meter(
            "p95",
            "query p95",
            &vitals.query_p95_seconds,
            format::seconds,
        ),
        meter(
            "each",
            "a request",
            &vitals.queries_per_request,
            format::quantity,
        ),
        meter("slow", "slow", &vitals.slow_queries_per_minute, |value| {
            format!("{}/min", format::quantity(value))
        }),
        meter("pool", "pool", &vitals.pool_in_use, format::quantity),
        meter(
            "wait p95",
            "pool wait",
            &vitals.pool_wait_p95_seconds,
            format::seconds,
        ),
        meter("hits", "cache hits", &vitals.cache_hit_ratio, format::share),
        meter(
            "saved",
            "saved",
            &vitals.saved_seconds_per_second,
            |value| format!("{}/s", format::seconds(value)),
        ),
        meter("cpu", "cpu", &vitals.cpu_ratio, format::share),
        meter("rss", "rss", &vitals.rss_bytes, format::bytes),
    ];
    if let (Some(size), Some(pool)) = (
        vitals.pool_size.now,
        meters.iter_mut().find(|meter| meter.short == "pool"),
    ) && vitals.pool_in_use.now.is_some()
    {
        pool.value = format!("{}/{}", pool.value, format::quantity(size));
    }
    meters
}

fn meter<'a>(
    short: &'static str,
    long: &'static str,
    vital: &'a Vital,
    tell: impl Fn(f64) -> String,
) -> Meter<'a> {
    Meter {
        short,
        long,
        value: format::maybe(vital.now, tell),
        vital,
    }
}

/// Keeps the `number` worst meters, in their usual places.
fn worst(meters: Vec<Meter<'_>>, number: usize) -> Vec<Meter<'_>> {
    let mut levels: Vec<(Level, usize)> = meters
        .iter()
        .enumerate()
        .map(|(place, meter)| (meter.vital.level, place))
        .collect();
    levels.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
    levels.truncate(number);
    let kept = |place: usize| levels.iter().any(|(_, kept)| *kept == place);
    let chosen = meters
        .into_iter()
        .enumerate()
        .filter(|(place, _)| kept(*place));
    chosen.map(|(_, meter)| meter).collect()
}

fn grid(meters: &[Meter<'_>], columns: u16, canvas: &mut Canvas<'_>) -> u16 {
    let columns = columns.max(1);
    let room = canvas.width().saturating_sub(1) / columns;
    let long = columns < 4;
    let label = if long { 11 } else { 9 };
    for (place, meter) in meters.iter().enumerate() {
        let (x, y) = (place as u16 % columns * room + 2, place as u16 / columns);
        let mut cell = canvas.part(x, y, room.saturating_sub(1), 1);
        cell.put(0, 0, if long { meter.long } else { meter.short }, Role::Dim);
        let role = match meter.vital.level {
            Level::Good => Role::Strong,
            level => Role::from(level),
        };
        let end = label + 7;
        cell.put_before(end, 0, &meter.value, role);
        let spark = cell.width().saturating_sub(end + 3).min(14);
        let line = sparkline::render(cell.theme(), &meter.vital.recent, spark);
        let x = cell.put(end + 1, 0, &line, Role::graph(meter.vital.level));
        cell.mark(x + 1, 0, meter.vital.level);
    }
    (meters.len() as u16).div_ceil(columns)
}

const TIME: [Column; 5] = [
    Column::routes("where the users' time goes", 16),
    Column::right("share", 0),
    Column::left("", 2),
    Column::right("p95", 1),
    Column::left("", 1),
];

fn time(state: &State, overview: &Overview, canvas: &mut Canvas<'_>) {
    let shown = state.list.shown(&overview.time);
    if shown.is_empty() {
        crate::screen::page::empty(
            canvas,
            state.list.filter(),
            None,
            "No request in the last minute.",
        );
        return;
    }
    let unit = TimeUnit::of(shown.iter().filter_map(|row| row.p95_seconds));
    let theme = canvas.theme();
    let bar = if canvas.width() > 50 { 13 } else { 8 };
    let most = bar::full(shown.iter().map(|row| row.share));
    let rows = shown.iter().map(|row| {
        vec![
            host(&row.route, Role::Text),
            piece(format::share(row.share), Role::Text),
            piece(
                bar::render(theme, row.share / most, bar),
                Role::graph(row.level),
            ),
            piece(
                format::maybe(row.p95_seconds, |p95| unit.tell(p95)),
                Role::from(row.level),
            ),
            piece(theme.level_mark(row.level), Role::from(row.level)),
        ]
    });
    let rows = rows.collect();
    let sorted = state
        .list
        .order::<perfdeck_bridge::protocol::TimeShare>()
        .map(|sort| sort.title);
    Table {
        columns: &TIME,
        rows,
        selected: state.list.place(&shown),
        sorted,
    }
    .draw(canvas);
}

fn changes(overview: &Overview, canvas: &mut Canvas<'_>) -> u16 {
    canvas.put(0, 0, "what changed lately", Role::Dim);
    if overview.changes.is_empty() {
        canvas.put(0, 1, "nothing", Role::Dim);
        return 2;
    }
    let mut y = 1;
    for change in &overview.changes {
        let x = canvas.put(0, y, &format::clock(change.at), Role::Dim) + 2;
        let mark = canvas.theme().level_mark(change.level).trim();
        let text = if mark.is_empty() {
            change.text.clone()
        } else {
            format!("{mark} {}", change.text)
        };
        y += canvas
            .paragraph(x, y, &text, Role::from(change.level), 2)
            .max(1);
    }
    y
}

fn blind(view: &View<'_>, canvas: &mut Canvas<'_>) {
    let spots = view
        .data
        .status()
        .map(|status| status.blind_spots.as_slice())
        .unwrap_or_default();
    if spots.is_empty() || canvas.height() < 3 {
        return;
    }
    let title = [
        piece("what can't be seen   ", Role::Dim),
        piece("0", Role::Key),
        piece(" Doctor", Role::Dim),
    ];
    canvas.line(0, 0, &title);
    let mut y = 1;
    for spot in spots {
        y += canvas.paragraph(0, y, &format!("{}: {}", spot.what, spot.why), Role::Text, 2);
        y += canvas.paragraph(2, y, &spot.fix, Role::Dim, 2);
    }
}
