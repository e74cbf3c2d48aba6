//! What was done: who, what, when, how it went, what it brought.
//!
//! With a path each change of a row is a line of JSON, written and synced before the effect; rows of an earlier process are
//! read back. Without one the ledger is bounded memory, and says so.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use perfdeck_bridge::protocol::{
    Gain, Ledger as Told, LedgerId, LedgerRow, LedgerStatus, Timestamp, Undo, Verdict,
};

use super::Draft;

/// Rows kept in memory; the oldest go first.
const MAX_ROWS: usize = 1_000;
/// The longest line that is read back.
const MAX_LINE: u64 = 64 * 1024;

/// The rows, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    rows: Vec<LedgerRow>,
    last: u64,
    file: Option<File>,
    /// Whether the file's last line may be half of one.
    torn: bool,
}

impl Ledger {
    /// Opens the file, makes it if there is none, and reads what an earlier process wrote.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new()
            .create(true)
            .read(true)
            .append(true)
            .mode(0o600)
            .open(path)?;
        let mut ledger = Self::default();
        let mut lines = BufReader::new(file.try_clone()?);
        loop {
            let mut line = Vec::new();
            if io::Read::take(&mut lines, MAX_LINE).read_until(b'\n', &mut line)? == 0 {
                break;
            }
            ledger.torn = !line.ends_with(b"\n");
            // A line that a crash cut short is no row.
            if let Ok(row) = serde_json::from_slice::<LedgerRow>(&line) {
                ledger.last = ledger.last.max(row.id.0);
                ledger.keep(row);
            }
        }
        ledger.interrupt();
        ledger.file = Some(file);
        Ok(ledger)
    }

    /// Gives up on what is under way, since whoever ran or measured it is gone.
    pub(crate) fn interrupt(&mut self) {
        for row in &mut self.rows {
            row.interrupt();
        }
    }

    /// Writes that an action begins; on an error it must not.
    pub(crate) fn begin(
        &mut self,
        draft: &Draft,
        actor: String,
        at: Timestamp,
    ) -> io::Result<LedgerRow> {
        self.last += 1;
        let row = LedgerRow {
            id: LedgerId(self.last),
            at,
            actor,
            action: draft.kind.into(),
            target: draft.target.clone(),
            status: LedgerStatus::Running,
            message: draft.title.clone(),
            verdict: Verdict::Measuring,
            predicted: draft.predicted.clone(),
            realised: None,
            interval: None,
            undo_of: draft.undo_of,
            undo: None,
        };
        self.write(&row)?;
        self.keep(row.clone());
        Ok(row)
    }

    /// Changes a row; a full disk does not keep the ledger from telling.
    pub(crate) fn change(&mut self, id: LedgerId, change: impl FnOnce(&mut LedgerRow)) {
        let Some(place) = self.rows.iter().position(|row| row.id == id) else {
            return;
        };
        change(&mut self.rows[place]);
        let row = self.rows[place].clone();
        if self.write(&row).is_err() {
            tracing::warn!(row = %row.id, "could not write the ledger");
        }
    }

    /// Tells of progress, in memory only.
    pub(crate) fn progress(&mut self, id: LedgerId, message: String) {
        if let Some(row) = self.rows.iter_mut().find(|row| row.id == id) {
            row.message = message;
        }
    }

    pub(crate) fn row(&self, id: LedgerId) -> Option<&LedgerRow> {
        self.rows.iter().find(|row| row.id == id)
    }

    /// How many rows there are.
    pub(crate) const fn len(&self) -> usize {
        self.rows.len()
    }

    /// The newest rows first, as many as a frame holds.
    pub(crate) fn told(&self) -> Told {
        Told {
            rows: self.rows.iter().rev().take(200).cloned().collect(),
            durable: self.file.is_some(),
        }
    }

    fn keep(&mut self, row: LedgerRow) {
        match self.rows.iter_mut().find(|kept| kept.id == row.id) {
            Some(kept) => *kept = row,
            None => self.rows.push(row),
        }
        if self.rows.len() > MAX_ROWS {
            self.rows.remove(0);
        }
    }

    fn write(&mut self, row: &LedgerRow) -> io::Result<()> {
        let Some(file) = &mut self.file else {
            return Ok(());
        };
        let mut line = serde_json::to_vec(row)?;
        line.push(b'\n');
        if self.torn {
            // Else this row would be the rest of the last one, and be lost as well.
            line.insert(0, b'\n');
        }
        let written = put(file, &line);
        self.torn = written.is_err();
        written
    }
}

/// Writes a line so that it survives the machine.
fn put(file: &mut File, line: &[u8]) -> io::Result<()> {
    #[cfg(test)]
    tests::strike(file, line)?;
    file.write_all(line)?;
    #[cfg(test)]
    tests::strike(file, &[])?;
    file.sync_data()
}

/// What changes in a row's life.
pub(crate) trait Life {
    fn done(&mut self, message: String, undo: Option<Undo>);
    fn failed(&mut self, status: LedgerStatus, message: String);
    fn measured(&mut self, verdict: Verdict, realised: Option<Gain>, interval: Option<[f64; 2]>);
    fn interrupt(&mut self);
}

impl Life for LedgerRow {
    fn done(&mut self, message: String, undo: Option<Undo>) {
        self.status = LedgerStatus::Done;
        self.message = message;
        self.undo = undo;
    }

    fn failed(&mut self, status: LedgerStatus, message: String) {
        self.status = status;
        self.verdict = Verdict::NoChange;
        self.message = message;
        self.undo = None;
    }

    fn measured(&mut self, verdict: Verdict, realised: Option<Gain>, interval: Option<[f64; 2]>) {
        self.verdict = verdict;
        self.realised = realised;
        self.interval = interval;
    }

    /// What was under way when the process ended.
    fn interrupt(&mut self) {
        if self.status == LedgerStatus::Running {
            self.failed(
                LedgerStatus::Failed,
                "the process ended while it ran: look whether anything was left behind".into(),
            );
        } else if self.verdict == Verdict::Measuring {
            self.measured(Verdict::NotEnoughTraffic, None, None);
        }
    }
}

#[cfg(test)]
mod tests;
