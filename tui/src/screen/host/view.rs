use perfdeck_bridge::protocol::{Host, Level, MetricRow, PoolRow};

use super::{Amount, redis};
use crate::format;
use crate::screen::page::{Page, State};
use crate::screen::story::{self, number};
use crate::screen::view::host;
use crate::screen::{Verdict, View};
use crate::theme::{Role, Theme};
use crate::widget::table::{Column, Table};
use crate::widget::{Canvas, bar, chart, piece, sparkline};

pub(crate) fn verdict(view: &View<'_>, _: &State) -> Verdict {
    let Some(host) = view.data.host() else {
        return Verdict::waiting();
    };
    let now = view.data.status().map(|status| &status.current_metrics);
    let percent = |value: Option<f64>| value.map(|value| format::share(value / 100.0));
    let takes = [
        ("processors", now.and_then(|now| percent(now.cpu_percent))),
        ("memory", now.and_then(|now| percent(now.memory_percent))),
    ];
    let takes: Vec<_> = takes
        .into_iter()
        .filter_map(|(what, share)| Some(format!("{} of its {what}", share?)))
        .collect();
    let mut text = match takes.is_empty() {
        true => String::new(),
        false => format!("It takes {}.", takes.join(" and ")),
    };
    let (level, words) = match fullest(&host.pools) {
        Some(full) => full,
        None => match redis::failing(host) {
            Some(words) => (Level::Near, words),
            None => (Level::Good, numbers(host)),
        },
    };
    text = match level {
        Level::Good => format!("{text} {words}"),
        Level::Near | Level::Over => format!("{words} {text}"),
    };
    Verdict::new(level, text.trim())
}

/// Tells the fullest pool, if it is full enough to be told.
pub(crate) fn fullest(pools: &[PoolRow]) -> Option<(Level, String)> {
    let full = pools.iter().filter(|pool| level(pool) > Level::Good);
    let pool = full.max_by(|a, b| filled(a).total_cmp(&filled(b)))?;
    let wait = pool.wait_p95_seconds.map_or_else(String::new, |wait| {
        format!(", and the wait for one is {} (p95)", format::seconds(wait))
    });
    let words = format!(
        "Pool `{}` has {} of {} connections in use{wait}.",
        pool.name, pool.in_use, pool.max
    );
    Some((level(pool), words))
}

/// Says how many numbers the service has, and whether some are left out.
fn numbers(host: &Host) -> String {
    let all = host.metrics.len() as u64 + host.more_metrics;
    let own = format::plural(all as usize, "number", "numbers");
    let shown = match host.more_metrics {
        0 => String::new(),
        _ => format!("; the {} that change most are here", host.metrics.len()),
    };
    match all {
        0 => "The service has no numbers of its own.".to_owned(),
        _ => format!("The service has {own} of its own{shown}."),
    }
}

fn filled(pool: &PoolRow) -> f64 {
    f64::from(pool.in_use) / f64::from(pool.max.max(1))
}

/// Judges a pool by the limit of the default alert.
fn level(pool: &PoolRow) -> Level {
    if pool.max > 0 && filled(pool) > 0.8 {
        Level::Near
    } else {
        Level::Good
    }
}

const POOLS: [Column; 8] = [
    Column::fill("pool", 12),
    Column::right("in use", 0),
    Column::right("of", 0),
    Column::left("", 4),
    Column::right("open", 3),
    Column::right("wait p95", 1),
    Column::right("time-outs", 2),
    Column::left("database", 5),
];

/// The most lines that the pools take.
const MOST_POOLS: usize = 4;
/// The least height at which the pools have a place above the numbers.
const ROOM: u16 = 10;

const COLUMNS: [Column; 9] = [
    Column::fill("metric", 16),
    Column::left("kind", 4),
    Column::right("value", 0),
    Column::right("rate", 2),
    Column::right("p50", 5),
    Column::right("p95", 1),
    Column::right("max", 6),
    Column::right("count", 7),
    Column::left("lately", 3),
];

pub(crate) fn draw(view: &View<'_>, state: &State, canvas: &mut Canvas<'_>) {
    let Some(told) = view.data.host() else {
        return;
    };
    let mut top = if canvas.height() < ROOM || told.pools.is_empty() {
        0
    } else {
        pools(&told.pools, canvas)
    };
    if !told.redis.is_empty() && canvas.height() >= top + ROOM {
        top += redis::draw(told, &mut canvas.below(top));
    }
    let page = Page {
        list: &state.list,
        open: state.open,
        rows: &told.metrics,
        columns: &COLUMNS,
        nothing: "A counter, gauge or histogram of the service shows up here: \
                  deck.counter(\"jobs\"), or the recorder for the `metrics` facade.",
        status: None,
    };
    let cells = |shown: &[&MetricRow], theme: Theme| {
        let rows = shown.iter().map(|row| {
            let amount = Amount::of(row);
            let maybe = |value| piece(format::maybe(value, |value| amount.tell(value)), Role::Text);
            let lately = sparkline::render(theme, &row.recent, 12);
            vec![
                host(&row.name, Role::Text),
                host(&row.kind, Role::Dim),
                piece(value(row, amount), Role::Text),
                piece(rate(row, amount), Role::Text),
                maybe(row.p50),
                maybe(row.p95),
                maybe(row.max),
                piece(
                    row.count
                        .map_or_else(|| format::NOTHING.to_owned(), format::count),
                    Role::Dim,
                ),
                piece(
                    if row.recent.is_empty() {
                        String::new()
                    } else {
                        lately
                    },
                    Role::Graph,
                ),
            ]
        });
        rows.collect()
    };
    page.draw(&mut canvas.below(top), cells, metric);
}

/// Draws the pools, fullest first, and returns the next free line.
pub(crate) fn pools(pools: &[PoolRow], canvas: &mut Canvas<'_>) -> u16 {
    let theme = canvas.theme();
    let mut pools: Vec<_> = pools.iter().collect();
    pools.sort_by(|a, b| filled(b).total_cmp(&filled(a)));
    let rows = pools.iter().take(MOST_POOLS).map(|pool| {
        let role = Role::from(level(pool));
        let in_use = if level(pool) == Level::Good {
            Role::Text
        } else {
            role
        };
        vec![
            host(&pool.name, Role::Text),
            piece(pool.in_use.to_string(), in_use),
            piece(pool.max.to_string(), Role::Dim),
            piece(bar::render(theme, filled(pool), 8), Role::Graph),
            piece(pool.open.to_string(), Role::Text),
            piece(
                format::maybe(pool.wait_p95_seconds, format::seconds),
                Role::Text,
            ),
            piece(format::count(pool.timeouts), Role::Text),
            host(&pool.database, Role::Dim),
        ]
    });
    let table = Table {
        columns: &POOLS,
        rows: rows.collect(),
        selected: None,
        sorted: None,
    };
    let lines = table.rows.len() as u16 + 1;
    table.draw(&mut canvas.part(0, 0, u16::MAX, lines));
    canvas.rule(lines);
    lines + 1
}

/// Tells a number's value; a histogram's is its percentiles.
fn value(row: &MetricRow, amount: Amount) -> String {
    if row.count.is_some() {
        format::NOTHING.to_owned()
    } else {
        amount.tell(row.value)
    }
}

fn rate(row: &MetricRow, amount: Amount) -> String {
    match row.per_second {
        // How often something was recorded has not the unit of what was.
        Some(rate) if row.count.is_some() => format::rate(rate),
        Some(rate) => amount.tell_rate(rate),
        None => format::NOTHING.to_owned(),
    }
}

fn metric(row: &MetricRow, canvas: &mut Canvas<'_>) {
    let amount = Amount::of(row);
    let tell = |value| format::maybe(value, |value| amount.tell(value));
    let mut y = story::told(canvas, 0, "metric", &row.name, Role::Strong, 2);
    if let Some(description) = &row.description {
        y = story::told(canvas, y, "means", description, Role::Text, 2);
    }
    let kind = match &row.unit {
        Some(unit) => format!("{} of {unit}", row.kind),
        None => row.kind.clone(),
    };
    y = story::told(canvas, y, "kind", &kind, Role::Text, 1);
    if let Some(count) = row.count {
        let minute = [
            number("p50", tell(row.p50)),
            number("p95", tell(row.p95)),
            number("max", tell(row.max)),
            number("mean", tell(row.p50.map(|_| row.value))),
            number("recorded", rate(row, amount)),
        ];
        y = story::listed(canvas, y, "last minute", &minute);
        let count = [number("recorded", format::count(count))];
        y = story::listed(canvas, y, "since start", &count);
    } else if row.per_second.is_some() {
        let minute = [number("grew by", rate(row, amount))];
        y = story::listed(canvas, y, "last minute", &minute);
        let sum = [number("sum", format::count(row.value as u64))];
        y = story::listed(canvas, y, "since start", &sum);
    } else {
        y = story::listed(canvas, y, "now", &[number("", amount.tell(row.value))]);
    }
    let (width, height) = (canvas.width(), canvas.height());
    if height > y + 3 && !row.recent.is_empty() {
        let rows = (height - y - 2).min(6);
        let label = if row.count.is_some() {
            "p95 lately"
        } else {
            "lately"
        };
        canvas.put(2, y + 1, label, Role::Dim);
        let mut part = canvas.part(15, y + 1, width.saturating_sub(17), rows);
        chart::draw(&mut part, &row.recent, |value| amount.tell(value));
    }
}
