//! The rows take turns, each measure in a process of its own.

use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use perfdeck_peers::callgrind::Instructions;
use perfdeck_peers::environment;

use crate::callgrind;
use crate::case::{Case, Row};
use crate::job::{Measure, Report};

/// How much is measured.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) rounds: u32,
    /// How long one measure takes.
    pub(crate) length: Duration,
    pub(crate) instructions: bool,
}

/// What was measured of a row: medians of the rounds, not a number where nothing was.
#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) row: &'static Row,
    pub(crate) wall: f64,
    pub(crate) one_thread: f64,
    pub(crate) two_threads: f64,
    pub(crate) instructions: Option<Instructions>,
    /// The worst that was seen, on two threads or one.
    pub(crate) lost: Option<f64>,
}

/// Measures a case's first row, and the others whose name has `only` in it.
pub(crate) fn measure(
    case: &'static Case,
    only: Option<&str>,
    plan: &Plan,
) -> Result<Vec<Measured>> {
    let chosen = |(number, row): &(usize, &Row)| {
        *number == 0 || only.is_none_or(|text| row.name.contains(text))
    };
    let rows = case.rows.iter().enumerate().filter(chosen);
    let rows: Vec<&Row> = rows.map(|(_, row)| row).collect();
    let length = plan.length;
    let measures = [
        Measure::Wall(length),
        Measure::Processor { threads: 1, length },
        Measure::Processor { threads: 2, length },
    ];
    let mut reports: Vec<[Vec<Report>; 3]> = rows.iter().map(|_| Default::default()).collect();
    for round in 1..=plan.rounds {
        eprintln!("{}: round {round} of {}", case.name, plan.rounds);
        for (row, reports) in rows.iter().zip(&mut reports) {
            for (measure, reports) in measures.into_iter().zip(reports) {
                let command = Command::new(std::env::current_exe()?);
                reports.push(tell(command, case, row, measure)?);
            }
        }
    }
    let measured = rows.into_iter().zip(reports).map(|(row, reports)| {
        let lost = reports.iter().flatten().filter_map(|report| report.lost);
        let lost = lost.reduce(f64::max);
        let [wall, one_thread, two_threads] = reports.map(median);
        let counts = plan.instructions && wall.is_finite();
        let instructions = counts.then(|| callgrind::count(case, row));
        Ok(Measured {
            row,
            wall,
            one_thread,
            two_threads,
            instructions: instructions.transpose()?,
            lost,
        })
    });
    measured.collect()
}

/// Runs a program that does a measure, and reads what it tells.
pub(crate) fn tell(
    mut command: Command,
    case: &Case,
    row: &Row,
    measure: Measure,
) -> Result<Report> {
    environment::clear(&mut command);
    let output = command
        .args(["--child", case.name, row.name])
        .arg(serde_json::to_string(&measure)?)
        .envs(row.environment.iter().copied())
        .stderr(Stdio::piped())
        .output()?;
    ensure!(
        output.status.success(),
        "{}, {}, {measure:?}: {}\n{}",
        case.name,
        row.name,
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    let told = String::from_utf8_lossy(&output.stdout);
    let last = told.lines().last().context("the row told nothing")?;
    serde_json::from_str(last).with_context(|| format!("{}: {last:?}", row.name))
}

fn median(reports: Vec<Report>) -> f64 {
    let nanos = reports.into_iter().filter_map(|report| report.nanos);
    let mut nanos: Vec<f64> = nanos.collect();
    nanos.sort_by(f64::total_cmp);
    let middle = nanos.len() / 2;
    nanos.get(middle).copied().unwrap_or(f64::NAN)
}
