//! The tables and their rows.

mod cache;
mod counter;
mod histogram;
mod monitor;
mod others;
mod redis;
mod unit;

use anyhow::Result;

use crate::job::{Job, Report};

/// One table.
#[derive(Debug)]
pub(crate) struct Case {
    /// What it is chosen by.
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    /// What one operation is.
    pub(crate) about: &'static str,
    /// The first one is what the others are compared with.
    pub(crate) rows: &'static [Row],
}

/// One set-up.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    /// What must be known to read the numbers.
    pub(crate) note: &'static str,
    /// What is set in the row's processes.
    pub(crate) environment: &'static [(&'static str, &'static str)],
    /// The most operations of a thread where processor time is measured.
    pub(crate) most: u64,
    pub(crate) run: fn(&Job) -> Result<Report>,
}

impl Row {
    const fn new(name: &'static str, run: fn(&Job) -> Result<Report>) -> Self {
        Self {
            name,
            note: "",
            environment: &[],
            most: u64::MAX,
            run,
        }
    }

    const fn environment(mut self, environment: &'static [(&'static str, &'static str)]) -> Self {
        self.environment = environment;
        self
    }

    /// For a peer that puts off so much that to wait for it would take minutes.
    const fn at_most(mut self, operations: u64) -> Self {
        self.most = operations;
        self
    }

    const fn note(mut self, note: &'static str) -> Self {
        self.note = note;
        self
    }
}

/// Every table.
pub(crate) const CASES: &[Case] = &[
    unit::CASE,
    monitor::CASE,
    counter::CASE,
    histogram::CASE,
    others::CASE,
    cache::CASE,
    cache::miss::CASE,
    redis::CASE,
];

/// What turns perfdeck off.
const OFF: &[(&str, &str)] = &[("PERFDECK", "off")];
