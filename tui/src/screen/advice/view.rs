use perfdeck_bridge::protocol::{
    Advice, CacheAdvice, Confidence, Evidence, Finding, FindingStatus, Forecast, Level,
    MissingCache, MissingIndex, NPlusOne, Redacted, Severity,
};

use crate::format::{self, plural};
use crate::screen::caches;
use crate::screen::page::{Page, State};
use crate::screen::story;
use crate::screen::view::host;
use crate::screen::{Verdict, View};
use crate::theme::{Role, Theme};
use crate::widget::table::Column;
use crate::widget::{Canvas, bar, piece};

pub(crate) fn verdict(view: &View<'_>, _: &State) -> Verdict {
    let Some(advice) = view.data.advice() else {
        return Verdict::waiting();
    };
    let open: Vec<&Finding> = advice
        .findings
        .iter()
        .filter(|finding| is_open(finding))
        .collect();
    if open.is_empty() {
        return Verdict::new(Level::Good, "Nothing to do: no finding is open.");
    }
    let critical = open
        .iter()
        .any(|finding| finding.severity == Severity::Critical);
    let level = if critical { Level::Over } else { Level::Near };
    let verified = open
        .iter()
        .filter(|finding| finding.confidence == Confidence::Verified)
        .count();
    let text = format!(
        "{}, together worth {} of the users' wait; {verified} verified.",
        plural(open.len(), "finding", "findings"),
        format::share(advice.wait_share),
    );
    let verdict = Verdict::new(level, text);
    if open.iter().any(|finding| finding.action.is_some()) {
        verdict.hint("a", "preview and apply")
    } else {
        verdict
    }
}

/// Returns how many findings wait to be dealt with.
pub(crate) fn open(advice: &Advice) -> usize {
    advice
        .findings
        .iter()
        .filter(|finding| is_open(finding))
        .count()
}

const fn is_open(finding: &Finding) -> bool {
    matches!(finding.status, FindingStatus::Ready | FindingStatus::Code)
}

const COLUMNS: [Column; 7] = [
    Column::right("wait saved", 0),
    Column::left("", 5),
    Column::left("sure", 4),
    Column::fill("finding", 34),
    Column::right("score", 3),
    Column::left("status", 2),
    Column::left("", 2),
];

pub(crate) fn draw(view: &View<'_>, state: &State, canvas: &mut Canvas<'_>) {
    let Some(advice) = view.data.advice() else {
        return;
    };
    let page = Page {
        list: &state.list,
        open: state.open,
        rows: &advice.findings,
        columns: &COLUMNS,
        nothing: "No finding: no rule sees a cause that keeps users waiting.",
        status: view.data.status(),
    };
    let cells = |shown: &[&Finding], theme: Theme| {
        let most = bar::full(shown.iter().map(|finding| finding.impact.wait_share));
        let rows = shown.iter().map(|finding| {
            let role = if is_open(finding) {
                Role::Text
            } else {
                Role::Dim
            };
            let saved = finding.impact.wait_share;
            let act = if finding.status == FindingStatus::Ready && !view.recorded {
                "a"
            } else {
                ""
            };
            vec![
                piece(
                    if saved > 0.0 {
                        format::share(saved)
                    } else {
                        "-".to_owned()
                    },
                    role,
                ),
                piece(bar::render(theme, saved / most, 8), Role::Graph),
                piece(sure(finding.confidence), role),
                host(&finding.title, role),
                piece(points(finding), role),
                piece(word(finding.status), status_role(finding.status)),
                piece(act, Role::Key),
            ]
        });
        rows.collect()
    };
    let story = |finding: &Finding, canvas: &mut Canvas<'_>| {
        told(finding, view.recorded, canvas);
    };
    page.draw(canvas, cells, story);
}

fn points(finding: &Finding) -> String {
    if finding.score_points > 0.0 {
        format!("{:+.0}", finding.score_points)
    } else {
        format::NOTHING.to_owned()
    }
}

fn told(finding: &Finding, recorded: bool, canvas: &mut Canvas<'_>) {
    let mut y = story::told(canvas, 0, "what", &finding.title, Role::Strong, 2);
    y = match &finding.evidence {
        Evidence::MissingIndex(evidence) => missing_index(evidence, canvas, y),
        Evidence::NPlusOne(evidence) => n_plus_one(evidence, canvas, y),
        Evidence::Cache(evidence) => cache(&finding.kind, evidence, canvas, y),
        Evidence::MissingCache(evidence) => missing_cache(evidence, canvas, y),
        Evidence::Database(evidence) => {
            let y = story::told(canvas, y, "why", &evidence.why, Role::Text, 4);
            let y = story::told(canvas, y, "told", &evidence.bound, Role::Dim, 4);
            story::told(canvas, y + 1, "do", &evidence.remedy, Role::Strong, 4)
        }
        Evidence::Unknown {} => {
            let text = format!("This perfdeck does not know the rule `{}`.", finding.kind);
            story::told(canvas, y, "why", &text, Role::Text, 2)
        }
    };
    y = story::told(canvas, y + 1, "brings", &brings(finding), Role::Good, 2);
    if let Some(action) = &finding.action {
        y = story::told(canvas, y, "runs", &action.preview, Role::Text, 3);
        y = story::told(canvas, y, "undo", &action.undo, Role::Text, 2);
    }
    let (key, words) = match finding.status {
        FindingStatus::Ready if recorded => ("", "It was ready to be applied."),
        FindingStatus::Ready => ("a", " preview and apply it"),
        FindingStatus::Code
            if matches!(finding.evidence, Evidence::Database(_)) && !is_text(finding) =>
        {
            ("5", " how the database is; perfdeck leaves this to you")
        }
        FindingStatus::Code => ("", "Only code helps here."),
        FindingStatus::Applied => ("8", " what it brought"),
        FindingStatus::Dismissed => ("", "Somebody silenced it."),
    };
    canvas.line(2, y + 1, &[piece(key, Role::Key), piece(words, Role::Dim)]);
}

/// Whether it is about a statement's own text.
fn is_text(finding: &Finding) -> bool {
    finding.kind.starts_with("statement_")
}

fn missing_index(evidence: &MissingIndex, canvas: &mut Canvas<'_>, y: u16) -> u16 {
    let y = story::told(canvas, y, "why", evidence.query.as_str(), Role::Text, 3);
    let text = format!(
        "called {}, p95 {}; `{}` has about {} rows",
        format::rate(evidence.calls_per_second),
        format::seconds(evidence.query_p95_seconds),
        evidence.table,
        format::count(evidence.table_rows),
    );
    let y = story::told(canvas, y, "", &text, Role::Text, 2);
    let plan = |canvas: &mut Canvas<'_>, y, label, heading: &str, role, lines: &[Redacted]| {
        let y = story::told(canvas, y, label, heading, role, 1);
        story::verbatim(canvas, y, "", lines)
    };
    let now = format!(
        "{} measured (p95)",
        format::seconds(evidence.query_p95_seconds)
    );
    let after = format!("about {}", format::about(evidence.query_p95_seconds_after));
    let y = plan(
        canvas,
        y + 1,
        "today",
        &now,
        Role::Over,
        &evidence.plan_before,
    );
    plan(
        canvas,
        y,
        "with it",
        &after,
        Role::Good,
        &evidence.plan_after,
    )
}

fn n_plus_one(evidence: &NPlusOne, canvas: &mut Canvas<'_>, y: u16) -> u16 {
    let queries = &evidence.queries_per_request;
    let text = format!(
        "{} runs this {} times a request (p95 {}, at most {}), {} of its time:",
        evidence.route,
        format::quantity(queries.p50),
        format::quantity(queries.p95),
        format::quantity(queries.max),
        format::share(evidence.time_share),
    );
    let y = story::told(canvas, y, "why", &text, Role::Text, 3);
    let mut y = story::told(canvas, y, "", evidence.query.as_str(), Role::Text, 3);
    if let Some(rewrite) = &evidence.rewrite {
        y = story::told(canvas, y + 1, "instead", rewrite.as_str(), Role::Text, 4);
    }
    y
}

fn cache(kind: &str, evidence: &CacheAdvice, canvas: &mut Canvas<'_>, y: u16) -> u16 {
    let y = story::told(canvas, y, "why", &evidence.why, Role::Text, 3);
    let text = format!(
        "{} look-ups, hits {}, a load takes {} on average",
        format::rate(evidence.lookups_per_second),
        format::share(evidence.hit_ratio),
        format::seconds(evidence.load_seconds),
    );
    let y = story::told(canvas, y, "", &text, Role::Text, 2);
    let mut y = curve(&evidence.curve, canvas, y, |other| match kind {
        "cache_eviction" => other.eviction.clone(),
        "cache_ttl_too_short" => caches::duration(other.ttl_seconds),
        _ => format::count(other.capacity),
    });
    y = story::told(canvas, y + 1, "set", &evidence.policy, Role::Strong, 2);
    if evidence.memory_bytes.abs() >= 1.0 {
        let verb = if evidence.memory_bytes > 0.0 {
            "takes"
        } else {
            "frees"
        };
        let text = format!("{} of memory", format::bytes(evidence.memory_bytes.abs()));
        y = story::told(canvas, y, verb, &text, Role::Text, 1);
    }
    y
}

fn missing_cache(evidence: &MissingCache, canvas: &mut Canvas<'_>, y: u16) -> u16 {
    let mut y = story::told(canvas, y, "why", &evidence.why, Role::Text, 4);
    if let Some(query) = &evidence.query {
        y = story::told(canvas, y, "", query.as_str(), Role::Text, 3);
    }
    let text = format!(
        "{} calls, {} each on average",
        format::rate(evidence.calls_per_second),
        format::seconds(evidence.call_seconds),
    );
    let y = story::told(canvas, y, "", &text, Role::Text, 1);
    let y = curve(&evidence.curve, canvas, y, |other| {
        caches::duration(other.ttl_seconds)
    });
    story::told(canvas, y + 1, "add", &evidence.code, Role::Strong, 3)
}

/// What was predicted, a line each.
fn curve(
    curve: &[Forecast],
    canvas: &mut Canvas<'_>,
    y: u16,
    what: impl Fn(&Forecast) -> String,
) -> u16 {
    let (x, theme) = (story::text_at(canvas), canvas.theme());
    for (line, other) in (y..).zip(curve) {
        canvas.put(2, line, if line == y { "predicted" } else { "" }, Role::Dim);
        canvas.put_before(x + 11, line, &what(other), Role::Text);
        let bar = bar::render(theme, other.hit_ratio, 24);
        let end = canvas.line(x + 13, line, &[piece(bar, Role::Graph)]);
        canvas.put(end + 1, line, &caches::forecast(other), Role::Text);
    }
    y + curve.len() as u16
}

fn brings(finding: &Finding) -> String {
    let impact = &finding.impact;
    let mut text = match (
        &impact.route,
        impact.p95_seconds_now,
        impact.p95_seconds_after,
    ) {
        (Some(route), Some(now), Some(after)) => {
            let (now, after) = (format::seconds(now), format::about(after));
            format!("{route} p95 {now} -> about {after}; ")
        }
        _ => String::new(),
    };
    if let Evidence::Cache(evidence) = &finding.evidence
        && evidence.saved_seconds_per_second > 0.0
    {
        let saved = format::seconds(evidence.saved_seconds_per_second);
        text.push_str(&format!("{saved} of loading a second; "));
    }
    if let Evidence::MissingCache(evidence) = &finding.evidence {
        let saved = format::seconds(evidence.saved_seconds_per_second);
        text.push_str(&format!("{saved} of its calls a second; "));
    }
    if is_text(finding) {
        return "what another text would take is not known before it is there".to_owned();
    }
    if matches!(finding.evidence, Evidence::Database(_)) {
        return "whose wait it is, and how much of it, is not known".to_owned();
    }
    let share = format::share(impact.wait_share);
    text.push_str(&format!(
        "{share} of the users' wait, {}",
        sure(finding.confidence)
    ));
    text
}

const fn sure(confidence: Confidence) -> &'static str {
    match confidence {
        Confidence::Verified => "verified",
        Confidence::Estimated => "estimated",
        Confidence::Heuristic => "heuristic",
    }
}

const fn word(status: FindingStatus) -> &'static str {
    match status {
        FindingStatus::Ready => "ready",
        FindingStatus::Code => "code",
        FindingStatus::Applied => "applied",
        FindingStatus::Dismissed => "dismissed",
    }
}

const fn status_role(status: FindingStatus) -> Role {
    match status {
        FindingStatus::Ready => Role::Near,
        FindingStatus::Code => Role::Text,
        FindingStatus::Applied => Role::Good,
        FindingStatus::Dismissed => Role::Dim,
    }
}
