use perfdeck_bridge::protocol::{Alert, AlertRule, AlertSide, AlertState, Alerts, Level, Severity};

use crate::format::{self, plural, printable, width};
use crate::screen::page::{Page, State};
use crate::screen::story::{self, number};
use crate::screen::view::host;
use crate::screen::{Verdict, View};
use crate::theme::{Mark, Role, Theme};
use crate::widget::table::Column;
use crate::widget::{Canvas, Piece, chart, piece, sparkline};

pub(crate) fn verdict(view: &View<'_>, _: &State) -> Verdict {
    let Some(alerts) = view.data.alerts() else {
        return Verdict::waiting();
    };
    let firing = firing(alerts);
    let pending = alerts
        .alerts
        .iter()
        .filter(|alert| alert.state == AlertState::Pending)
        .count();
    let watched = plural(alerts.rules as usize, "rule", "rules");
    let waiting = match pending {
        0 => String::new(),
        1 => " One more waits to be sure.".to_owned(),
        number => format!(" {number} more wait to be sure."),
    };
    if firing == 0 {
        let level = if pending == 0 {
            Level::Good
        } else {
            Level::Near
        };
        return Verdict::new(
            level,
            format!("No alert fires; {watched} are watched.{waiting}"),
        );
    }
    let worst = alerts
        .alerts
        .iter()
        .filter(|alert| alert.state == AlertState::Firing)
        .max_by_key(|alert| alert.severity)
        .map(|alert| format!(" The worst: {}.", alert.message));
    let fires = if firing == 1 {
        "alert fires"
    } else {
        "alerts fire"
    };
    let text = format!("{firing} {fires}.{}{waiting}", worst.unwrap_or_default());
    Verdict::new(Level::Over, text)
}

/// Returns how many alerts fire.
pub(crate) fn firing(alerts: &Alerts) -> usize {
    alerts
        .alerts
        .iter()
        .filter(|alert| alert.state == AlertState::Firing)
        .count()
}

const COLUMNS: [Column; 6] = [
    Column::left("", 0),
    Column::left("state", 3),
    Column::left("severity", 2),
    Column::fill("what", 24),
    Column::right("since", 1),
    Column::left("lately", 4),
];

pub(crate) fn draw(view: &View<'_>, state: &State, canvas: &mut Canvas<'_>) {
    let Some(alerts) = view.data.alerts() else {
        return;
    };
    let page = Page {
        list: &state.list,
        open: state.open,
        rows: &alerts.alerts,
        columns: &COLUMNS,
        nothing: "Nothing has been over its limit lately.",
        status: None,
    };
    let cells = |shown: &[&Alert], theme: Theme| {
        let rows = shown.iter().map(|alert| {
            let role = role(alert.state);
            vec![
                mark(theme, alert.state),
                piece(word(alert.state), role),
                piece(severity(alert.severity), Role::Text),
                host(&alert.message, Role::Text),
                piece(format::age(view.now.since(alert.since)), Role::Text),
                piece(sparkline::render(theme, &alert.recent, 16), role),
            ]
        });
        rows.collect()
    };
    let story = |alert: &Alert, canvas: &mut Canvas<'_>| {
        told(view, rule_of(alert, alerts), alert, canvas);
    };
    page.draw(canvas, cells, story);
    if alerts.alerts.is_empty() && state.list.filter().is_empty() {
        rules(&alerts.limits, &mut canvas.below(3));
    }
}

/// Draws the rules that are watched, a line each.
fn rules(limits: &[AlertRule], canvas: &mut Canvas<'_>) {
    let name = |rule: &AlertRule| printable(&rule.rule, 32);
    let names = limits.iter().map(|rule| width(&name(rule)));
    let widest = names.max().unwrap_or(0);
    for (y, rule) in (0..).zip(limits) {
        let side = match rule.side {
            AlertSide::Over => "over",
            AlertSide::Under => "under",
        };
        let limit = format!("{side} {}", format::limit(rule.limit, &rule.unit));
        let name = format!("{:<widest$}", name(rule));
        let mut pieces = vec![
            piece(name, Role::Dim),
            piece(format!("{limit:<12}"), Role::Text),
            piece(
                format!("{:<11}", format::hold(rule.hold_seconds)),
                Role::Dim,
            ),
        ];
        pieces.extend(rule.route.as_ref().map(|route| host(route, Role::Text)));
        pieces.extend(instead(rule));
        canvas.whole(2, y, 2, &pieces);
    }
}

/// The rule that raised an alert.
fn rule_of<'a>(alert: &Alert, alerts: &'a Alerts) -> Option<&'a AlertRule> {
    let rules = || alerts.limits.iter().filter(|rule| rule.rule == alert.rule);
    let own = rules().find(|rule| rule.route.as_deref() == Some(&alert.subject));
    own.or_else(|| rules().find(|rule| rule.route.is_none()))
}

/// Says of a limit that was set what it would be else.
fn instead(rule: &AlertRule) -> Option<Piece> {
    let text = format!(
        "set, else {}",
        format::limit(rule.default_limit, &rule.unit)
    );
    (rule.limit != rule.default_limit).then(|| piece(text, Role::Dim))
}

fn told(view: &View<'_>, rule: Option<&AlertRule>, alert: &Alert, canvas: &mut Canvas<'_>) {
    let mut y = story::told(canvas, 0, "what", &alert.message, Role::Strong, 3);
    let subject = if alert.subject.is_empty() {
        "the whole service"
    } else {
        &alert.subject
    };
    y = story::listed(
        canvas,
        y,
        "rule",
        &[host(&alert.rule, Role::Text), number("on", subject)],
    );
    let mut limit = vec![
        piece(value(alert, alert.value), role(alert.state)),
        number("limit", format::limit(alert.threshold, &alert.unit)),
    ];
    limit.extend(rule.map(|rule| number("fires", format::hold(rule.hold_seconds))));
    limit.extend(rule.and_then(instead));
    y = story::listed(canvas, y, "value", &limit);
    let since = format::clock_seconds(alert.since);
    let age = format::age(view.now.since(alert.since));
    let mut times = vec![piece(format!("{since} UTC, {age} ago"), Role::Text)];
    if let Some(resolved) = alert.resolved_at {
        times.push(number(
            "resolved",
            format!("{} UTC", format::clock_seconds(resolved)),
        ));
    }
    y = story::listed(canvas, y, "since", &times);
    let (width, height) = (canvas.width(), canvas.height());
    if height > y + 3 {
        canvas.put(2, y + 1, "lately", Role::Dim);
        let mut part = canvas.part(15, y + 1, width.saturating_sub(17), (height - y - 2).min(8));
        chart::draw(&mut part, &alert.recent, |number| value(alert, number));
    }
}

fn value(alert: &Alert, value: f64) -> String {
    match alert.unit.as_str() {
        "percent" => format::share(value / 100.0),
        "seconds" => format::seconds(value),
        _ => format::quantity(value),
    }
}

const fn role(state: AlertState) -> Role {
    match state {
        AlertState::Firing => Role::Over,
        AlertState::Pending => Role::Near,
        AlertState::Resolved => Role::Dim,
    }
}

const fn word(state: AlertState) -> &'static str {
    match state {
        AlertState::Firing => "firing",
        AlertState::Pending => "pending",
        AlertState::Resolved => "resolved",
    }
}

fn mark(theme: Theme, state: AlertState) -> Piece {
    let mark = match state {
        AlertState::Firing => Mark::Over,
        AlertState::Pending => Mark::Live,
        AlertState::Resolved => Mark::Good,
    };
    piece(theme.mark(mark), role(state))
}

const fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "info",
        Severity::Warning => "warning",
        Severity::Critical => "critical",
    }
}
