use perfdeck_bridge::protocol::{Gain, LedgerRow, LedgerStatus, Level, Verdict as Outcome};

use crate::format;
use crate::screen::page::{Page, State};
use crate::screen::story;
use crate::screen::view::host;
use crate::screen::{Verdict, View};
use crate::theme::{Mark, Role, Theme};
use crate::widget::table::Column;
use crate::widget::{Canvas, Piece, piece};

pub(crate) fn verdict(view: &View<'_>, _: &State) -> Verdict {
    let Some(ledger) = view.data.ledger() else {
        return Verdict::waiting();
    };
    let Some(last) = ledger.rows.first() else {
        return Verdict::new(
            Level::Good,
            "Nothing was done yet; 7 Advice says what would help.",
        );
    };
    let age = format::age(view.now.since(last.at));
    let what = format!("{} {}, {age} ago: {}", last.action, last.target, word(last));
    let gain = last
        .realised
        .as_ref()
        .map(|gain| format!(", {}", change(gain)));
    let level = match (last.status, last.verdict) {
        (LedgerStatus::Failed | LedgerStatus::Refused, _) | (_, Outcome::Worse) => Level::Over,
        (LedgerStatus::Running, _) => Level::Near,
        _ => Level::Good,
    };
    let kept = if ledger.durable {
        ""
    } else {
        " The ledger is kept in memory only."
    };
    Verdict::new(level, format!("{what}{}.{kept}", gain.unwrap_or_default()))
}

const COLUMNS: [Column; 8] = [
    Column::right("row", 6),
    Column::right("ago", 2),
    Column::left("who", 4),
    Column::fill("what", 24),
    Column::left("", 0),
    Column::left("outcome", 1),
    Column::right("p95", 3),
    Column::left("", 5),
];

pub(crate) fn draw(view: &View<'_>, state: &State, canvas: &mut Canvas<'_>) {
    let Some(ledger) = view.data.ledger() else {
        return;
    };
    let page = Page {
        list: &state.list,
        open: state.open,
        rows: &ledger.rows,
        columns: &COLUMNS,
        nothing: "Each action leaves a row here: who, what, and what it brought.",
        status: None,
    };
    let cells = |shown: &[&LedgerRow], theme: Theme| {
        let rows = shown.iter().map(|row| {
            let gain = row.realised.as_ref().map(change);
            vec![
                piece(row.id.to_string(), Role::Dim),
                piece(format::age(view.now.since(row.at)), Role::Text),
                host(&row.actor, Role::Text),
                host(&format!("{} {}", row.action, row.target), Role::Text),
                mark(theme, row),
                piece(word(row), role(row)),
                piece(gain.unwrap_or_default(), role(row)),
                piece(if can_undo(view, row) { "u undo" } else { "" }, Role::Dim),
            ]
        });
        rows.collect()
    };
    let story = |row: &LedgerRow, canvas: &mut Canvas<'_>| {
        receipt(view, row, canvas);
    };
    page.draw(canvas, cells, story);
}

const fn can_undo(view: &View<'_>, row: &LedgerRow) -> bool {
    row.undo.is_some() && !view.recorded
}

fn receipt(view: &View<'_>, row: &LedgerRow, canvas: &mut Canvas<'_>) {
    let what = format!("{} {}", row.action, row.target);
    let mut y = story::told(canvas, 0, "what", &what, Role::Strong, 2);
    let at = format!("{} UTC", format::clock_seconds(row.at));
    let mut who = vec![piece(at, Role::Text), host(&row.actor, Role::Text)];
    if let Some(undone) = row.undo_of {
        who.push(piece(format!("takes row {undone} back"), Role::Text));
    }
    y = story::listed(canvas, y, "when, who", &who);
    let theme = canvas.theme();
    let outcome = format!("{} {}", mark(theme, row).text, word(row));
    y = story::told(canvas, y, "outcome", &outcome, role(row), 1);
    y = story::told(canvas, y, "", &row.message, Role::Text, 3);
    if let Some(gain) = &row.realised {
        y = measured(row, gain, canvas, y + 1);
    } else if let Some(gain) = &row.predicted {
        let after = format::about(gain.p95_seconds_after);
        let text = format!("{} p95 about {after}", gain.subject);
        y = story::told(canvas, y + 1, "promised", &text, Role::Text, 2);
    }
    if let Some(undo) = &row.undo {
        y = story::told(canvas, y + 1, "undo", &undo.statement, Role::Text, 3);
        let until = undo.until.map(|until| {
            format!(
                " take it back, for {} more",
                format::age(until.since(view.now))
            )
        });
        let words = until.unwrap_or_else(|| " take it back".to_owned());
        if can_undo(view, row) {
            canvas.line(2, y + 1, &[piece("u", Role::Key), piece(words, Role::Dim)]);
        }
    }
}

fn measured(row: &LedgerRow, gain: &Gain, canvas: &mut Canvas<'_>, y: u16) -> u16 {
    let before = format::seconds(gain.p95_seconds_before);
    let after = format::seconds(gain.p95_seconds_after);
    let promised = row.predicted.as_ref().map(|predicted| {
        format!(
            "  (promised {})",
            format::about(predicted.p95_seconds_after)
        )
    });
    let text = format!(
        "{} p95  {before} -> {after}{}",
        gain.subject,
        promised.unwrap_or_default()
    );
    let y = story::told(canvas, y, "measured", &text, Role::Text, 2);
    // The interval is of the typical latency, and need not hold the change of the tail that stands before it.
    let interval = row.interval.map(|[low, high]| {
        let (low, high) = (format::change(low), format::change(high));
        format!(", typically {low} to {high}")
    });
    let text = format!(
        "{}{}   n {} / {}",
        change(gain),
        interval.unwrap_or_default(),
        format::count(gain.n_before),
        format::count(gain.n_after),
    );
    let y = story::told(canvas, y, "", &text, role(row), 1);
    let Some(window) = gain.window_after else {
        return y;
    };
    let span = |window: &perfdeck_bridge::protocol::Window| {
        format!(
            "{}–{}",
            format::clock_seconds(window.from),
            format::clock_seconds(window.to)
        )
    };
    let text = format!(
        "{} against {} UTC",
        span(&gain.window_before),
        span(&window)
    );
    story::told(canvas, y, "", &text, Role::Dim, 1)
}

fn change(gain: &Gain) -> String {
    format::change(gain.p95_seconds_after / gain.p95_seconds_before - 1.0)
}

const fn word(row: &LedgerRow) -> &'static str {
    match (row.status, row.verdict) {
        (LedgerStatus::Running, _) => "running",
        (LedgerStatus::Failed, _) => "failed",
        (LedgerStatus::Refused, _) => "refused",
        (LedgerStatus::Undone, _) => "undone",
        (LedgerStatus::Done, Outcome::Measuring) => "measuring",
        (LedgerStatus::Done, Outcome::Helped) => "helped",
        // Nothing was to be measured.
        (LedgerStatus::Done, Outcome::NoChange) if row.realised.is_none() => "done",
        (LedgerStatus::Done, Outcome::NoChange) => "no change",
        (LedgerStatus::Done, Outcome::Worse) => "worse",
        (LedgerStatus::Done, Outcome::NotEnoughTraffic) => "too little traffic to tell",
    }
}

const fn role(row: &LedgerRow) -> Role {
    match (row.status, row.verdict) {
        (LedgerStatus::Failed | LedgerStatus::Refused, _)
        | (LedgerStatus::Done, Outcome::Worse) => Role::Over,
        (LedgerStatus::Running, _) | (LedgerStatus::Done, Outcome::Measuring) => Role::Near,
        (LedgerStatus::Done, Outcome::Helped) => Role::Good,
        _ => Role::Dim,
    }
}

fn mark(theme: Theme, row: &LedgerRow) -> Piece {
    let mark = match role(row) {
        Role::Over => theme.mark(Mark::Bad),
        Role::Near => theme.mark(Mark::Live),
        Role::Good => theme.mark(Mark::Good),
        _ => "",
    };
    piece(mark, role(row))
}
