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
        let written = file.write_all(&line).and_then(|()| file.sync_data());
        self.torn = written.is_err();
        written
    }
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
mod tests {
    use std::path::PathBuf;

    use super::*;

    /// A ledger's file that goes with the test.
    struct Place(PathBuf);

    impl Place {
        fn new(name: &str) -> Self {
            let name = format!("perfdeck-ledger-{}-{name}", std::process::id());
            Self(std::env::temp_dir().join(name))
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            let _ = std::fs::remove_file(&self.0);
        }
    }

    fn begin(ledger: &mut Ledger, target: &str) -> LedgerId {
        let at = Timestamp::from_micros(1_700_000_000_000_000);
        ledger
            .begin(&Draft::sample(target), "uid 1".into(), at)
            .unwrap()
            .id
    }

    fn targets(ledger: &Ledger) -> Vec<(u64, String, LedgerStatus)> {
        let told = ledger.told().rows.into_iter();
        told.map(|row| (row.id.0, row.target, row.status)).collect()
    }

    #[test]
    fn rows_survive_a_reopen_and_ids_go_on() {
        let place = Place::new("reopen");
        let mut ledger = Ledger::open(&place.0).unwrap();
        let id = begin(&mut ledger, "a");
        ledger.change(id, |row| {
            row.done("cleared".into(), None);
            row.measured(Verdict::Helped, None, None);
        });
        let told = ledger.told();
        drop(ledger);

        let mut ledger = Ledger::open(&place.0).unwrap();
        assert_eq!(ledger.told(), told);
        assert!(told.durable);
        assert_eq!(begin(&mut ledger, "b"), LedgerId(id.0 + 1));
    }

    #[test]
    fn a_row_that_was_running_has_failed() {
        let place = Place::new("running");
        begin(&mut Ledger::open(&place.0).unwrap(), "a");
        let ledger = Ledger::open(&place.0).unwrap();
        assert_eq!(
            targets(&ledger),
            [(1, "a".to_owned(), LedgerStatus::Failed)]
        );
    }

    #[test]
    fn a_torn_last_line_is_skipped_and_takes_no_other_with_it() {
        let place = Place::new("torn");
        let mut ledger = Ledger::open(&place.0).unwrap();
        for target in ["a", "b"] {
            let id = begin(&mut ledger, target);
            ledger.change(id, |row| row.done("cleared".into(), None));
        }
        drop(ledger);
        let whole = std::fs::read(&place.0).unwrap();
        let last = whole[..whole.len() - 1]
            .iter()
            .rposition(|byte| *byte == b'\n')
            .unwrap();
        std::fs::write(&place.0, &whole[..last + 20]).unwrap();

        let mut ledger = Ledger::open(&place.0).unwrap();
        // Of the second row the first line is whole.
        let failed = (2, "b".to_owned(), LedgerStatus::Failed);
        let done = (1, "a".to_owned(), LedgerStatus::Done);
        assert_eq!(targets(&ledger), [failed.clone(), done.clone()]);
        begin(&mut ledger, "c");
        drop(ledger);
        let next = (3, "c".to_owned(), LedgerStatus::Failed);
        let ledger = Ledger::open(&place.0).unwrap();
        assert_eq!(targets(&ledger), [next, failed, done]);
    }

    #[test]
    fn without_a_path_it_is_bounded() {
        let mut ledger = Ledger::default();
        for _ in 0..MAX_ROWS + 7 {
            begin(&mut ledger, "a");
        }
        assert_eq!(ledger.rows.len(), MAX_ROWS);
        assert_eq!(ledger.rows[0].id, LedgerId(8));
        assert!(!ledger.told().durable);
    }
}
