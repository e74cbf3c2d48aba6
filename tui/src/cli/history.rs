//! What is printed of the past.

use anyhow::{Result, bail};
use perfdeck_bridge::Source;
use perfdeck_bridge::protocol::{
    Answer, CallsStep, History, HistoryOf, HistoryRequest, HistorySteps, QueryId, Question,
    Timestamp, Topic,
};

use super::args::HistoryOptions;
use super::table::render;
use super::verb;
use crate::format::{self, TimeUnit};

/// Steps that are asked for where nobody says how wide they should be.
const STEPS: u64 = 30;
/// The width of the longest bar.
const BAR: usize = 30;
/// Seconds of a day.
const DAY: u64 = 86_400;

/// Asks for the names of the numbers that have a history.
pub(super) async fn numbers(source: &dyn Source) -> Result<Vec<String>> {
    match source.ask(Question::Numbers).await? {
        Answer::Numbers(names) => Ok(names),
        _ => bail!(verb::CONFUSED),
    }
}

/// Asks for what was.
pub(super) async fn ask(source: &dyn Source, options: &HistoryOptions) -> Result<History> {
    // By the host's own clock, which may not be this machine's.
    let (_, taken) = verb::state(source, Topic::Status).await?;
    let now = taken.at;
    let width = options.width.map_or_else(
        || (options.last.as_secs() / STEPS).max(1),
        |width| width.as_secs(),
    );
    let request = HistoryRequest::of(of(options))
        .from(now.before(options.last))
        .width_seconds(u32::try_from(width).unwrap_or(u32::MAX))
        .percentiles(options.percentile.clone());
    match source.ask(Question::History(request)).await? {
        Answer::History(history) => Ok(history),
        _ => bail!(verb::CONFUSED),
    }
}

fn of(options: &HistoryOptions) -> HistoryOf {
    let subject = &options.subject;
    if let Some(number) = &subject.number {
        HistoryOf::Number(number.clone())
    } else if !subject.route.is_empty() {
        HistoryOf::Route(subject.route.join(" "))
    } else if let Some(id) = &subject.query {
        HistoryOf::Query(QueryId(id.clone()))
    } else if let Some(name) = &subject.function {
        HistoryOf::Function(name.clone())
    } else if let Some(name) = &subject.pool {
        HistoryOf::Pool(name.clone())
    } else if subject.queries {
        HistoryOf::Queries
    } else {
        HistoryOf::Requests
    }
}

/// Tells what was, a line a step.
pub(super) fn tell(history: &History) -> String {
    let width = u64::from(history.width_seconds);
    let mut bars = String::new();
    let mut text = match &history.steps {
        HistorySteps::Values(values) => numbers_table(history, values),
        HistorySteps::Calls {
            percentiles,
            steps,
            whole,
        } => {
            if let Some(last) = percentiles.last() {
                bars = format!("; bars are of p{last}");
            }
            calls_table(history, percentiles, steps, whole)
        }
    };
    // To the hundredth of a percent.
    let error = (history.error_ratio * 1e4).round() / 100.0;
    text.push_str(&format!(
        "{} to a line, times in UTC; kept since {} {}, at most {error} % off{bars}\n",
        duration(width),
        date(history.kept_from),
        format::clock_seconds(history.kept_from),
    ));
    text
}

fn numbers_table(history: &History, values: &[Option<f64>]) -> String {
    let most = values.iter().flatten().copied().fold(0.0, f64::max);
    let rows: Vec<Vec<String>> = times(history)
        .zip(values)
        .map(|(time, value)| {
            vec![
                time,
                value.map_or_else(|| "-".to_owned(), number),
                bar(value.unwrap_or(0.0), most),
            ]
        })
        .collect();
    render(&["time", " mean", ""], &rows)
}

fn calls_table(
    history: &History,
    percentiles: &[f64],
    steps: &[CallsStep],
    whole: &CallsStep,
) -> String {
    let longest = |step: &CallsStep| step.percentiles_seconds.last().copied().unwrap_or(0.0);
    let most = steps.iter().map(longest).fold(0.0, f64::max);
    let unit = TimeUnit::of(steps.iter().map(|step| step.max_seconds));
    let line = |time: String, step: &CallsStep, bar: String| {
        let told = step.percentiles_seconds.iter();
        let mut told: Vec<String> = told.map(|seconds| unit.tell(*seconds)).collect();
        told.resize(percentiles.len(), "-".to_owned());
        let mut row = vec![time, format::count(step.calls), format::count(step.errors)];
        row.extend(told);
        row.push(if step.calls > 0 {
            unit.tell(step.max_seconds)
        } else {
            "-".to_owned()
        });
        row.push(bar);
        row
    };
    let mut rows: Vec<Vec<String>> = times(history)
        .zip(steps)
        .map(|(time, step)| line(time, step, bar(longest(step), most)))
        .collect();
    rows.push(line("all of it".to_owned(), whole, String::new()));
    let titles: Vec<String> = percentiles
        .iter()
        .map(|percentile| format!(" p{percentile}"))
        .collect();
    let mut all = vec!["time", " calls", " errors"];
    all.extend(titles.iter().map(String::as_str));
    all.extend([" longest", ""]);
    render(&all, &rows)
}

/// When each step began; with the day, where they are of several.
fn times(history: &History) -> impl Iterator<Item = String> {
    let width = u64::from(history.width_seconds) * 1_000_000;
    let steps = match &history.steps {
        HistorySteps::Values(values) => values.len(),
        HistorySteps::Calls { steps, .. } => steps.len(),
    };
    let from = history.from.micros();
    let several = from / DAY / 1_000_000 != (from + width * steps as u64) / DAY / 1_000_000;
    (0..steps as u64).map(move |step| {
        let at = Timestamp::from_micros(from + step * width);
        if several {
            format!("{} {}", date(at), format::clock_seconds(at))
        } else {
            format::clock_seconds(at)
        }
    })
}

/// `2026-11-23`.
fn date(at: Timestamp) -> String {
    at.to_string().chars().take("2026-11-23".len()).collect()
}

fn duration(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds as f64 / 60.0),
        _ => format!("{} h", seconds as f64 / 3_600.0),
    }
}

/// Four digits that count.
fn number(value: f64) -> String {
    let magnitude = value.abs();
    if magnitude >= 1e5 {
        format::count(value as u64)
    } else if magnitude >= 100.0 || magnitude == magnitude.trunc() {
        format!("{value:.0}")
    } else if magnitude >= 1.0 {
        format!("{value:.2}")
    } else {
        format!("{value:.4}")
    }
}

/// A bar in seven-bit characters, which any log can hold.
fn bar(value: f64, most: f64) -> String {
    let share = if most > 0.0 { value / most } else { 0.0 };
    "#".repeat((share.clamp(0.0, 1.0) * BAR as f64).round() as usize)
}
