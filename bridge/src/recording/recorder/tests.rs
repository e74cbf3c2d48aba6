use super::*;

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("perfdeck-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_file_that_can_not_be_begun_leaves_the_one_of_the_process_before() {
    let folder = Folder::new("begun");
    let sink = Sink::new(folder.0.join("flight"), 0);
    fs::write(&sink.path, "evidence").unwrap();
    for _ in 0..3 {
        // No head holds so long a hello.
        assert!(Open::make(&sink, &[0; 5_000]).is_err());
    }
    let kept = fs::read(folder.0.join("flight.previous")).unwrap();
    assert_eq!(kept, b"evidence");
    assert!(!sink.path.exists());
}

/// Each call of the system fails, from the first look at the name to the last block, alone and with those after it.
#[cfg(all(feature = "client", feature = "testing"))]
#[test]
fn promise_27_whichever_call_fails_the_recorder_goes_on_and_the_evidence_is_kept() {
    const NO_SPACE: i32 = 28;
    const IO: i32 = 5;
    const READ_ONLY: i32 = 30;
    let calls = records(0..0, IO);
    // The names, the file and its head once; then a look at the name and a block each tick.
    assert_eq!(calls, 5 + 2 * TICKS - 1);
    for errno in [NO_SPACE, IO, READ_ONLY] {
        for number in 0..calls {
            records(number..number + 1, errno);
            records(number..number + 7, errno);
        }
    }
}

#[cfg(all(feature = "client", feature = "testing"))]
const TICKS: u64 = 12;

/// Records some ticks while these calls fail, and then some without; returns how many calls the first were.
#[cfg(all(feature = "client", feature = "testing"))]
fn records(failing: std::ops::Range<u64>, errno: i32) -> u64 {
    use crate::board::Board;
    use crate::recording::{Recording, fault};
    use crate::testing::{self, Sample};

    let folder = Folder::new("each-call");
    let sink = Sink::new(folder.0.join("flight"), 0);
    fs::write(&sink.path, "evidence").unwrap();
    let progress = Progress::default();
    let hello = testing::hello(Sample::Typical);
    let mut writer = Writer::new(sink.clone(), &hello, progress.clone()).unwrap();
    let board = Board::new();
    let mut follower = board.follower(&Topic::ALL);
    let mut tick = |number: u64| {
        let now = testing::NOW.after(Duration::from_secs(number));
        let mut updates = testing::updates_at(Sample::Typical, now);
        board.publish(updates.remove(number as usize % updates.len()));
        while let Some(Some(next)) = follower.next().now_or_never() {
            writer.take(next);
        }
        writer.write();
    };
    fault::inject(failing.clone(), errno);
    (0..TICKS).for_each(&mut tick);
    let calls = fault::calls();
    fault::inject(0..0, 0);
    (TICKS..TICKS + 10).for_each(&mut tick);

    let case = format!("calls {failing:?} fail with {errno}");
    let state = progress.state();
    assert_eq!(state.blocks + state.lost, TICKS + 10, "{case}");
    assert_eq!(state.error, None, "{case}: it has recovered");
    assert_eq!(state.lost == 0, failing.is_empty(), "{case}");
    assert!(state.lost <= failing.end - failing.start, "{case}");
    let recording = Recording::open(&sink.path).unwrap();
    assert_eq!(recording.len() as u64, state.blocks, "{case}");
    let last = recording.states(recording.len() - 1).unwrap();
    let at = last.iter().map(|update| update.at).max();
    // Some of the last ticks' topics are as they were.
    assert!(
        at > Some(testing::NOW.after(Duration::from_secs(TICKS))),
        "{case}"
    );
    let kept = fs::read(folder.0.join("flight.previous"));
    assert_eq!(kept.unwrap(), b"evidence", "{case}");
    calls
}
