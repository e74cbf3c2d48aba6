use perfdeck_bridge::protocol::{CacheRow, Caches, Level};

use super::forecast;
use crate::format::{self, TimeUnit};
use crate::screen::page::{Page, State};
use crate::screen::story::{self, number};
use crate::screen::view::host;
use crate::screen::{Verdict, View};
use crate::theme::{Role, Theme};
use crate::widget::table::Column;
use crate::widget::{Canvas, chart, piece, sparkline};

pub(crate) fn verdict(view: &View<'_>, _: &State) -> Verdict {
    let Some(caches) = view.data.caches() else {
        return Verdict::waiting();
    };
    if caches.namespaces.is_empty() {
        return Verdict::new(
            Level::Good,
            "No caches: nothing has been looked up in one yet.",
        );
    }
    if let Some(shared) = caches.shared.as_ref().filter(|shared| !shared.attached) {
        let bound = format::seconds(shared.staleness_bound_seconds);
        let waits = match shared.deferred {
            0 => String::new(),
            1 => " One invalidation waits for it.".to_owned(),
            many => format!(" {} invalidations wait for it.", format::count(many)),
        };
        let text =
            format!("Redis doesn't answer, so entries are served for {bound} at most.{waits}");
        return Verdict::new(Level::Over, text);
    }
    let saved: f64 = caches
        .namespaces
        .iter()
        .map(|row| row.saved_seconds_per_second)
        .sum();
    let saved = format!(
        "The caches save {} of loading a second.",
        format::seconds(saved)
    );
    let weak = caches
        .namespaces
        .iter()
        .filter(|row| level(row) > Level::Good);
    match weak.min_by(|a, b| {
        a.hit_ratio
            .unwrap_or(1.0)
            .total_cmp(&b.hit_ratio.unwrap_or(1.0))
    }) {
        Some(row) => {
            let share = format::share(row.hit_ratio.unwrap_or(0.0));
            let text = format!(
                "`{}` answers only {share} of its look-ups. {saved}",
                row.namespace
            );
            Verdict::new(Level::Near, text)
        }
        None => Verdict::new(Level::Good, format!("Healthy. {saved}")),
    }
}

/// Judges a namespace by the limit of the default alert.
fn level(row: &CacheRow) -> Level {
    if row.hit_ratio.is_some_and(|ratio| ratio < 0.7) {
        Level::Near
    } else {
        Level::Good
    }
}

const COLUMNS: [Column; 13] = [
    Column::fill("namespace", 12),
    Column::right("hits", 0),
    Column::left("lately", 5),
    Column::right("look-ups", 2),
    Column::right("saved", 1),
    Column::right("a MiB", 8),
    Column::right("load p95", 4),
    Column::right("age at hit", 9),
    Column::right("evicted", 10),
    Column::right("entries", 3),
    Column::right("of", 6),
    Column::right("TTL", 7),
    Column::left("", 0),
];

pub(crate) fn draw(view: &View<'_>, state: &State, canvas: &mut Canvas<'_>) {
    let Some(caches) = view.data.caches() else {
        return;
    };
    let page = Page {
        list: &state.list,
        open: state.open,
        rows: &caches.namespaces,
        columns: &COLUMNS,
        nothing: "A function marked #[cached] shows up here at its first call.",
        status: None,
    };
    let cells = |shown: &[&CacheRow], theme: Theme| {
        let unit = TimeUnit::of(shown.iter().filter_map(|row| row.load_p95_seconds));
        let rows = shown.iter().map(|row| {
            let level = level(row);
            let saved = format!("{}/s", format::seconds(row.saved_seconds_per_second));
            let mark = if row.undo.is_some() && !view.recorded {
                "u undo"
            } else {
                theme.level_mark(level)
            };
            vec![
                host(&row.namespace, Role::Text),
                piece(
                    format::maybe(row.hit_ratio, format::share),
                    Role::from(level),
                ),
                piece(sparkline::render(theme, &row.recent, 12), Role::Graph),
                piece(format::rate(row.lookups_per_second), Role::Text),
                piece(saved, Role::Text),
                piece(
                    format::maybe(row.saved_seconds_per_second_and_mib, |saved| {
                        format!("{}/s", format::seconds(saved))
                    }),
                    Role::Dim,
                ),
                piece(
                    format::maybe(row.load_p95_seconds, |p95| unit.tell(p95)),
                    Role::Text,
                ),
                piece(
                    format::maybe(row.age_at_hit_p50_seconds, format::seconds),
                    Role::Dim,
                ),
                piece(format::count(row.evictions), Role::Dim),
                piece(format::count(row.entries), Role::Text),
                piece(format::capacity(row), Role::Dim),
                piece(format::ttl(row), Role::Dim),
                piece(mark, Role::from(level)),
            ]
        });
        rows.collect()
    };
    let story = |row: &CacheRow, canvas: &mut Canvas<'_>| {
        namespace(row, caches, view.recorded, canvas);
    };
    page.draw(canvas, cells, story);
}

fn namespace(row: &CacheRow, caches: &Caches, recorded: bool, canvas: &mut Canvas<'_>) {
    let mut y = story::told(canvas, 0, "namespace", &row.namespace, Role::Strong, 1);
    y = story::listed(
        canvas,
        y,
        "holds",
        &[
            number("entries", format::count(row.entries)),
            number("of", format::capacity(row)),
            number("in all", format::bytes(row.bytes as f64)),
            number("each for", format::ttl(row)),
        ],
    );
    y = story::listed(
        canvas,
        y,
        "since start",
        &[
            number("hits", format::count(row.hits)),
            number("misses", format::count(row.misses)),
            number("joined a load", format::count(row.joined)),
            number(
                "age at hit",
                format::maybe(row.age_at_hit_p50_seconds, format::seconds),
            ),
        ],
    );
    let special = [
        ("stale", row.stale_hits),
        ("absent", row.negative_hits),
        ("kept for failed loads", row.fail_safe),
        ("from Redis", row.shared_hits),
    ];
    if special.iter().any(|(_, hits)| *hits > 0) {
        let told: Vec<_> = special
            .into_iter()
            .filter(|(_, hits)| *hits > 0)
            .map(|(what, hits)| number(what, format::count(hits)))
            .collect();
        y = story::listed(canvas, y, "answers", &told);
    }
    y = story::listed(
        canvas,
        y,
        "loads",
        &[
            number("run", format::count(row.loads)),
            number("in background", format::count(row.refreshes)),
            number("failed", format::count(row.load_errors)),
            number("p95", format::maybe(row.load_p95_seconds, format::seconds)),
        ],
    );
    y = story::listed(
        canvas,
        y,
        "gone",
        &[
            number("pushed out", format::count(row.evictions)),
            number("over", format::count(row.evicted.expired)),
            number("invalidated", format::count(row.evicted.invalidated)),
            number("replaced", format::count(row.evicted.replaced)),
        ],
    );
    y = story::listed(
        canvas,
        y,
        "kept",
        &[
            number("in", format::tier(row)),
            number("by", eviction(row)),
            number("invalidations", format::count(row.invalidations)),
        ],
    );
    y = forecast::numbers(row, canvas, y);
    if !caches.bypassed_queries.is_empty() {
        let told = caches.bypassed_queries.iter().take(4);
        let told: Vec<_> = told
            .map(|why| number(format::bypass(&why.why), format::count(why.queries)))
            .collect();
        y = story::listed(canvas, y, "uncached", &told);
    }
    if let Some(shared) = &caches.shared {
        let bound = format::seconds(shared.staleness_bound_seconds);
        y = story::listed(
            canvas,
            y,
            "instances",
            &[
                number("stale for at most", bound),
                number("followed", format::count(shared.received)),
                number("to be told", format::count(shared.deferred)),
                number("gaps", format::count(shared.gaps + shared.rollbacks)),
            ],
        );
        let values = [
            ("waited for another's load", shared.waited),
            ("loaded without a lease", shared.unleased),
            ("unreadable", shared.undecodable),
            ("not put down", shared.not_stored),
        ];
        let told: Vec<_> = values
            .into_iter()
            .filter(|(_, count)| *count > 0)
            .map(|(what, count)| number(what, format::count(count)))
            .collect();
        if !told.is_empty() {
            y = story::listed(canvas, y, "values", &told);
        }
    }
    let after = forecast::curve(row, canvas, y + 1);
    if after > y + 1 {
        y = after;
    }
    let (width, height) = (canvas.width(), canvas.height());
    if height > y + 4 {
        let rows = (height - y - 3).min(6);
        canvas.put(2, y + 1, "hits lately", Role::Dim);
        let mut part = canvas.part(15, y + 1, width.saturating_sub(17), rows);
        chart::draw(&mut part, &row.recent, format::share);
        y += rows + 1;
    }
    if recorded {
        return;
    }
    let undo = if row.undo.is_some() { "   u" } else { "" };
    let words = if row.undo.is_some() {
        " bring its entries back"
    } else {
        ""
    };
    let keys = [
        piece("c", Role::Key),
        piece(" clear it   ", Role::Dim),
        piece("r", Role::Key),
        piece(" resize it   ", Role::Dim),
        piece("t", Role::Key),
        piece(" change its TTL   ", Role::Dim),
        piece("w", Role::Key),
        piece(" warm it   ", Role::Dim),
        piece("o", Role::Key),
        piece(" optimize all", Role::Dim),
        piece(undo, Role::Key),
        piece(words, Role::Dim),
    ];
    canvas.line(2, y + 1, &keys);
}

fn eviction(row: &CacheRow) -> &str {
    match &*row.eviction {
        "" => "-",
        name => name,
    }
}

pub(crate) fn duration(seconds: Option<f64>) -> String {
    seconds.map_or_else(
        || "ever".to_owned(),
        |ttl| format::age(std::time::Duration::try_from_secs_f64(ttl).unwrap_or_default()),
    )
}
