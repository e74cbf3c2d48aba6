use std::cell::Cell;
use std::ops::Range;
use std::path::PathBuf;

use super::*;

thread_local! {
    /// How many calls of the system this thread has made for ledgers, and which of them fail, with what.
    static CALLS: Cell<(u64, u64, u64, i32)> = const { Cell::new((0, 0, 0, 0)) };
}

/// Comes before each call; one that fails does so after half of what it was to write.
pub(super) fn strike(file: &mut File, line: &[u8]) -> io::Result<()> {
    let (call, from, until, errno) = CALLS.get();
    CALLS.set((call + 1, from, until, errno));
    if !(from..until).contains(&call) {
        return Ok(());
    }
    let (half, _) = line.split_at(line.len() / 2);
    file.write_all(half)?;
    Err(io::Error::from_raw_os_error(errno))
}

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

/// Every write and every sync fails, alone and with those after it: what was said to be written is there, and what was not
/// written spoils nothing else.
#[test]
fn promise_27_whichever_write_fails_the_ledger_holds_what_it_said_it_holds() {
    const NO_SPACE: i32 = 28;
    const IO: i32 = 5;
    const READ_ONLY: i32 = 30;
    let calls = writes(0..0, IO);
    // Of each of six rows a beginning and an end, written and synced.
    assert_eq!(calls, 24);
    for errno in [NO_SPACE, IO, READ_ONLY] {
        for call in 0..calls {
            writes(call..call + 1, errno);
            writes(call..call + 5, errno);
        }
    }
}

/// Writes six rows while these calls fail, and two without; returns how many calls the first were.
fn writes(failing: Range<u64>, errno: i32) -> u64 {
    let case = format!("calls {failing:?} fail with {errno}");
    let place = Place::new("each-write");
    let mut ledger = Ledger::open(&place.0).unwrap();
    CALLS.set((0, failing.start, failing.end, errno));
    let mut begun = Vec::new();
    let mut act = |ledger: &mut Ledger, number: u64| {
        let at = Timestamp::from_micros(1_700_000_000_000_000 + number);
        let begins = ledger.begin(&Draft::sample("a"), "uid 1".into(), at);
        if let Ok(row) = begins {
            ledger.change(row.id, |row| row.done("cleared".into(), None));
            begun.push((row.id, !ledger.torn));
        }
    };
    (0..6).for_each(|number| act(&mut ledger, number));
    let (calls, ..) = CALLS.get();
    CALLS.set((0, 0, 0, 0));
    (6..8).for_each(|number| act(&mut ledger, number));
    assert!(
        begun.len() >= 2 && (begun.len() == 8 || !failing.is_empty()),
        "{case}"
    );
    drop(ledger);

    let ledger = Ledger::open(&place.0).unwrap();
    for (id, ended) in begun {
        let row = ledger
            .row(id)
            .unwrap_or_else(|| panic!("{case}: no row {id:?}"));
        // A row whose end was not written is told as one that was cut short, which is the safe side.
        if ended {
            assert_eq!(row.status, LedgerStatus::Done, "{case}");
        }
    }
    let _ = std::fs::remove_file(&place.0);
    calls
}
