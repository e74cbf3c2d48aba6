//! The program against a host made of samples, through real sockets.

#![expect(clippy::unwrap_used, reason = "a test that can't go on ends here")]

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::thread;

use perfdeck_bridge::protocol::Topic;
use perfdeck_bridge::testing::{self, Sample, SampleHost};
use perfdeck_bridge::{server, socket};

const PROGRAM: &str = env!("CARGO_BIN_EXE_perfdeck");

/// A folder of its own for the sockets of one test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("perfdeck-{name}-{}", std::process::id()));
        DirBuilder::new().mode(0o700).create(&path).unwrap();
        Self(path)
    }

    /// Serves the typical sample as process `pid` of `service`; it listens when this returns.
    fn serve(&self, service: &str, pid: u32) -> PathBuf {
        self.serve_prepared(service, pid, |_| {})
    }

    fn serve_prepared(
        &self,
        service: &str,
        pid: u32,
        prepare: impl FnOnce(&SampleHost) + Send + 'static,
    ) -> PathBuf {
        let path = self.0.join(format!("{service}-{pid}-1.sock"));
        let (listening, wait) = std::sync::mpsc::channel();
        let at = path.clone();
        thread::Builder::new()
            .name("sample-host".to_owned())
            .spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build();
                runtime.unwrap().block_on(async {
                    let listener = socket::bind_at(&at).unwrap();
                    let host = Arc::new(testing::host(Sample::Typical));
                    prepare(&host);
                    listening.send(()).unwrap();
                    server::serve(listener, move |_| host.clone(), Arc::default()).await;
                });
            })
            .unwrap();
        wait.recv().unwrap();
        path
    }

    fn run(&self, args: &[&str]) -> Output {
        Command::new(PROGRAM)
            .args(args)
            .env("PERFDECK_RUNTIME_DIR", &self.0)
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    fn check(&self, args: &[&str], code: i32, expected: &str) {
        let output = self.run(args);
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
        assert!(
            said.contains(expected),
            "{args:?} says no `{expected}`: {said}"
        );
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn one_host_answers_every_way_of_naming_it() {
    let folder = Folder::new("one");
    let path = folder.serve("support-desk", 71);
    folder.check(&["ls", "--json"], 0, r#""pid":71"#);
    folder.check(&["status"], 0, "support-desk 1.8.2");
    folder.check(&["ledger", "--service", "support-desk"], 0, "create_index");
    folder.check(
        &["--pid", "71", "cache", "stats", "--json"],
        0,
        r#""namespace":"embed""#,
    );
    folder.check(&["alerts", "--socket", text(&path)], 0, "firing");
    let relay = format!("{PROGRAM} relay");
    folder.check(
        &["recommendations", "--via", &relay],
        0,
        "perfdeck apply missing_index",
    );
}

#[test]
fn an_action_is_applied_on_one_connection() {
    let folder = Folder::new("act");
    folder.serve("support-desk", 72);
    folder.check(&["cache", "clear", "analytics"], 0, "Nothing was changed");
    folder.check(
        &["cache", "clear", "analytics", "--apply", "--json"],
        0,
        r#""applied":true"#,
    );
    folder.check(
        &["apply", "nothing", "--apply"],
        1,
        "perfdeck: no such finding",
    );
    let refused = ["cache", "clear", "analytics", "--apply", "--read-only"];
    folder.check(&refused, 1, "may only observe");
}

#[test]
fn what_can_t_be_done_is_one_sentence() {
    let folder = Folder::new("none");
    folder.check(
        &["status"],
        1,
        "perfdeck: no service with perfdeck runs here",
    );
    folder.check(
        &["status", "--json"],
        1,
        r#"{"error":"no service with perfdeck runs here"#,
    );
    folder.check(
        &["--service", "shop", "ledger"],
        1,
        "no service `shop` runs here",
    );
    folder.check(
        &["ledger", "--socket", "/nowhere.sock"],
        1,
        "could not connect to /nowhere.sock",
    );
    folder.check(
        &["ledger", "--via", "echo nobody >&2; exit 1 # relay"],
        1,
        r#"says "nobody""#,
    );
    folder.check(&["attach"], 1, "the screens need a terminal");
    folder.check(&["ls"], 0, "No service with perfdeck runs here");
    folder.check(&["frobnicate"], 2, "unrecognized subcommand");
    folder.check(&["apply"], 2, "FINDING_ID");
}

#[test]
fn several_hosts_without_a_terminal_are_listed() {
    let folder = Folder::new("several");
    folder.serve("shop", 73);
    folder.serve("support-desk", 74);
    folder.check(&["status"], 1, "support-desk  --pid 74");
    folder.check(&["status", "--service", "shop"], 0, "score");
}

#[test]
fn completions_are_printed_for_a_shell() {
    let folder = Folder::new("shell");
    folder.check(&["completions", "bash"], 0, "recommendations");
}

#[test]
fn a_list_that_is_not_whole_says_so() {
    let folder = Folder::new("left-out");
    folder.serve_prepared("short", 1, |host| {
        for topic in Topic::ALL {
            host.leave_out(topic, 1_234);
        }
    });
    let said = |args: &[&str]| {
        let output = folder.run(args);
        assert!(output.status.success(), "{args:?}");
        (
            String::from_utf8(output.stdout).unwrap(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    let aside = "perfdeck: 1 234 rows left out for want of room\n";
    for list in ["requests", "queries", "alerts", "host", "redis", "ledger"] {
        let (table, beside) = said(&[list]);
        assert!(!table.contains("left out"), "{table}");
        assert_eq!(beside, aside, "{list}");
    }
    for list in ["requests", "queries", "alerts", "host", "redis", "status"] {
        let (document, beside) = said(&[list, "--json"]);
        assert!(document.contains(r#""left_out":1234"#), "{document}");
        assert_eq!(beside, "", "{list}");
    }
    // A document that is an array has no field for it.
    assert_eq!(said(&["ledger", "--json"]).1, aside);
}
