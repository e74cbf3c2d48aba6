//! What changed between two recordings: routes and statements, with a test of whether it is more than chance.
//!
//! A recording tells of each tick the last minute's percentiles, so it is read a minute at a time: minutes that don't
//! overlap are as good as independent, and single requests of one bad second are not. A measure of one route is compared by
//! the Mann-Whitney U test, which asks nothing of how it is spread; since many are compared at once, what is told keeps the
//! expected share of false ones among them under 5 % (Benjamini and Hochberg's procedure), as far as they are independent.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
use perfdeck_bridge::protocol::{QueryRow, RequestRow, State, Timestamp};
use perfdeck_bridge::recording::Recording;
use serde::Serialize;
use statrs::stats_tests::Alternative;
use statrs::stats_tests::mannwhitneyu::{MannWhitneyUMethod, mannwhitneyu};

use super::Outcome;
use super::table::render;
use crate::format::{self, printable};

/// Microseconds between two looks, as long as what the host tells goes back.
const MINUTE: u64 = 60_000_000;
/// The fewest minutes that a route or a statement is compared by: with fewer no difference could show.
const LEAST_MINUTES: usize = 5;
/// The share of false ones among the differences that are told.
const FALSE_SHARE: f64 = 0.05;
/// The least change that is told, however sure it is.
const LEAST_CHANGE: f64 = 0.05;

/// What changed.
#[derive(Debug, Serialize)]
pub(super) struct Diff {
    before: Side,
    after: Side,
    /// Routes and statements that were seen for long enough on both sides.
    compared: usize,
    /// Those that were not.
    too_short: usize,
    /// The largest changes for the worse first.
    changes: Vec<Change>,
    appeared: Vec<Subject>,
    gone: Vec<Subject>,
}

/// One recording.
#[derive(Debug, Serialize)]
struct Side {
    file: String,
    service: String,
    version: Option<String>,
    from: Timestamp,
    to: Timestamp,
    minutes: usize,
}

/// A route or a statement.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
enum Subject {
    Route(String),
    Query { id: String, text: String },
}

/// What is measured of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
enum Measure {
    P50Seconds,
    P95Seconds,
    ErrorRatio,
    QueriesPerRequest,
    RowsPerCall,
}

/// One measure that is not what it was.
#[derive(Debug, Serialize)]
struct Change {
    of: Subject,
    measure: Measure,
    /// The median of the minutes.
    before: f64,
    after: f64,
    /// The typical change, 1.0 is twice as much; `None` from nothing.
    ratio: Option<f64>,
    /// The probability of such a difference by chance, corrected for how many were looked at.
    q: f64,
    worse: bool,
}

/// The minutes of one recording: each measure's values.
type Minutes = BTreeMap<Subject, BTreeMap<Measure, Vec<f64>>>;

/// Compares two recordings.
pub(super) fn run(before: &Path, after: &Path) -> Result<Outcome> {
    let (before, old) = read(before)?;
    let (after, new) = read(after)?;
    let diff = compare((before, &old), (after, &new));
    Ok(Outcome {
        json: serde_json::to_value(&diff)?,
        text: diff.text(),
        failed: diff.changes.iter().any(|change| change.worse),
        left_out: 0,
    })
}

fn read(path: &Path) -> Result<(Side, Minutes)> {
    let told = || format!("could not read {}", path.display());
    let recording = Recording::open(path).with_context(told)?;
    let last = recording.len().checked_sub(1);
    let ends = last.and_then(|last| recording.at(0).zip(recording.at(last)));
    let Some((from, to)) = ends else {
        bail!("{} holds no tick yet", path.display());
    };
    let mut minutes = Minutes::new();
    let mut read = 0;
    let mut next = from.micros() + MINUTE;
    for block in 0..recording.len() {
        let Some(at) = recording.at(block).filter(|at| at.micros() >= next) else {
            continue;
        };
        next = at.micros() + MINUTE;
        read += 1;
        for update in recording.states(block).with_context(told)? {
            match &update.state {
                State::Requests(told) => {
                    for row in &told.routes {
                        route(&mut minutes, row);
                    }
                }
                State::Queries(told) => {
                    for row in &told.queries {
                        query(&mut minutes, row);
                    }
                }
                _ => {}
            }
        }
    }
    ensure!(
        read > 0,
        "{} holds less than a minute, and nothing can be told from that",
        path.display()
    );
    let hello = recording.hello();
    let side = Side {
        file: path.display().to_string(),
        service: hello.service.clone(),
        version: hello.version.clone(),
        from,
        to,
        minutes: read,
    };
    Ok((side, minutes))
}

fn route(minutes: &mut Minutes, row: &RequestRow) {
    if row.requests_per_second > 0.0 {
        let measures = minutes
            .entry(Subject::Route(row.route.clone()))
            .or_default();
        let queries = row.queries_per_request.p50;
        for (measure, value) in [
            (Measure::P50Seconds, row.p50_seconds),
            (Measure::P95Seconds, row.p95_seconds),
            (Measure::ErrorRatio, row.error_ratio),
            (Measure::QueriesPerRequest, queries),
        ] {
            measures.entry(measure).or_default().push(value);
        }
    }
}

fn query(minutes: &mut Minutes, row: &QueryRow) {
    if row.calls_per_second > 0.0 {
        let subject = Subject::Query {
            id: row.id.0.clone(),
            text: row.text.as_str().to_owned(),
        };
        let measures = minutes.entry(subject).or_default();
        for (measure, value) in [
            (Measure::P50Seconds, row.p50_seconds),
            (Measure::P95Seconds, row.p95_seconds),
            (Measure::RowsPerCall, row.rows_per_call),
        ] {
            measures.entry(measure).or_default().push(value);
        }
    }
}

fn compare((before, old): (Side, &Minutes), (after, new): (Side, &Minutes)) -> Diff {
    let mut tested = Vec::new();
    let (mut compared, mut too_short) = (0, 0);
    for (subject, measures) in old {
        let Some(now) = new.get(subject) else {
            continue;
        };
        let long = |measures: &BTreeMap<Measure, Vec<f64>>| {
            measures
                .values()
                .all(|values| values.len() >= LEAST_MINUTES)
        };
        if !long(measures) || !long(now) {
            too_short += 1;
            continue;
        }
        compared += 1;
        for (measure, before) in measures {
            if let Some(after) = now.get(measure) {
                tested.push((
                    Change::of(subject, *measure, before, after),
                    chance(before, after),
                ));
            }
        }
    }
    let mut changes = surprising(tested);
    changes.retain(|change| change.ratio.is_none_or(|ratio| ratio.abs() >= LEAST_CHANGE));
    let size = |change: &Change| {
        change
            .ratio
            .map_or(f64::INFINITY, |ratio| ratio.ln_1p().abs())
    };
    changes.sort_by(|a, b| {
        b.worse
            .cmp(&a.worse)
            .then_with(|| size(b).total_cmp(&size(a)))
            .then_with(|| (&a.of, a.measure).cmp(&(&b.of, b.measure)))
    });
    let only = |here: &Minutes, there: &Minutes| {
        let keys = here.keys().filter(|subject| !there.contains_key(*subject));
        keys.cloned().collect()
    };
    Diff {
        appeared: only(new, old),
        gone: only(old, new),
        before,
        after,
        compared,
        too_short,
        changes,
    }
}

/// The probability of so large a difference of ranks where there is none.
fn chance(before: &[f64], after: &[f64]) -> f64 {
    // Not the exact one for small samples: in statrs 0.19 it takes the wrong tail where both sides are of one length.
    // From five minutes on each side the approximation errs to the careful side (0.012 where 0.008 were right).
    let method = MannWhitneyUMethod::AsymptoticInclContinuityCorrection;
    let tested = mannwhitneyu(before, after, method, Alternative::TwoSided);
    // All values alike leave nothing to rank.
    tested.map_or(1.0, |(_, p)| if p.is_finite() { p.min(1.0) } else { 1.0 })
}

/// Those that are not to be expected by chance among so many, with their corrected probability.
fn surprising(mut tested: Vec<(Change, f64)>) -> Vec<Change> {
    tested.sort_by(|a, b| a.1.total_cmp(&b.1));
    let all = tested.len() as f64;
    let mut least = 1.0_f64;
    let mut corrected = Vec::with_capacity(tested.len());
    for (rank, (change, p)) in tested.into_iter().enumerate().rev() {
        least = least.min(p * all / (rank + 1) as f64);
        corrected.push(Change { q: least, ..change });
    }
    corrected.retain(|change| change.q < FALSE_SHARE);
    corrected
}

impl Change {
    fn of(subject: &Subject, measure: Measure, before: &[f64], after: &[f64]) -> Self {
        // The median of all differences between a minute before and one after, as the test has it, on a log scale.
        let positive = |values: &[f64]| values.iter().all(|value| *value > 0.0);
        let (middle_before, middle_after) = (median(before.to_vec()), median(after.to_vec()));
        let ratio = if positive(before) && positive(after) {
            let ratios = before.iter().flat_map(|b| after.iter().map(move |a| a / b));
            Some(median(ratios.collect()) - 1.0)
        } else {
            (middle_before > 0.0).then(|| middle_after / middle_before - 1.0)
        };
        Self {
            of: subject.clone(),
            measure,
            before: middle_before,
            after: middle_after,
            ratio,
            q: 1.0,
            worse: middle_after > middle_before,
        }
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let upper = values.len() / 2;
    let lower = values.len().saturating_sub(1) / 2;
    let at = |place: usize| values.get(place).copied().unwrap_or(0.0);
    f64::midpoint(at(lower), at(upper))
}

impl Measure {
    const fn name(self) -> &'static str {
        match self {
            Self::P50Seconds => "p50",
            Self::P95Seconds => "p95",
            Self::ErrorRatio => "errors",
            Self::QueriesPerRequest => "queries/request",
            Self::RowsPerCall => "rows/call",
        }
    }

    fn tell(self, value: f64) -> String {
        match self {
            Self::P50Seconds | Self::P95Seconds => format::seconds(value),
            Self::ErrorRatio => format::share(value),
            Self::QueriesPerRequest | Self::RowsPerCall => format::quantity(value),
        }
    }
}

impl Subject {
    fn name(&self) -> &str {
        match self {
            Self::Route(route) => route,
            Self::Query { text, .. } => text,
        }
    }
}

impl Diff {
    fn text(&self) -> String {
        let side = |side: &Side| {
            let version = side.version.as_deref().unwrap_or_default();
            let service = format!("{} {version}", side.service);
            let span = format::age(side.to.since(side.from));
            printable(
                &format!(
                    "{}: {}, {span} until {}",
                    side.file,
                    service.trim(),
                    side.to
                ),
                200,
            )
        };
        let mut text = format!(
            "before  {}\nafter   {}\n\n",
            side(&self.before),
            side(&self.after)
        );
        let rows: Vec<Vec<String>> = self
            .changes
            .iter()
            .map(|change| {
                let mark = if change.worse { "worse" } else { "better" };
                vec![
                    mark.to_owned(),
                    change.measure.name().to_owned(),
                    change.measure.tell(change.before),
                    change.measure.tell(change.after),
                    change
                        .ratio
                        .map_or_else(|| "from 0".to_owned(), format::change),
                    format!("{:.4}", change.q),
                    change.of.name().to_owned(),
                ]
            })
            .collect();
        if rows.is_empty() {
            text.push_str("Nothing changed that is more than chance.\n");
        } else {
            let titles = ["", "what", " before", " after", " change", " chance", "of"];
            text.push_str(&render(&titles, &rows));
        }
        for (word, subjects) in [("new", &self.appeared), ("gone", &self.gone)] {
            for subject in subjects {
                text.push_str(&format!("{word:<6} {}\n", printable(subject.name(), 100)));
            }
        }
        text.push_str(&format!(
            "\n{} compared by {} and {} minutes",
            format::plural(self.compared, "route or statement", "routes and statements"),
            self.before.minutes,
            self.after.minutes,
        ));
        if self.too_short > 0 {
            text.push_str(&format!(
                "; {} seen for less than {LEAST_MINUTES} of them on a side",
                self.too_short
            ));
        }
        text.push('\n');
        text
    }
}
