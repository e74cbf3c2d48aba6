use clap::{CommandFactory as _, Parser as _};
use futures_util::FutureExt as _;
use perfdeck_bridge::Source as _;
use perfdeck_bridge::protocol::{Caches, State, Topic, Update};
use perfdeck_bridge::testing::{self, NOW, Sample, SampleHost};
use perfdeck_tests::schema::{of_command, problems};
use serde_json::{Value, json};

use super::args::Args;
use super::{Outcome, verb};

/// Every command that asks a host.
const COMMANDS: [&str; 32] = [
    "status",
    "doctor",
    "requests",
    "exemplars GET /documents",
    "exemplar 3",
    "exemplar --of GET /sessions/{id} --percentile 100",
    "queries",
    "history",
    "history --list",
    "history --route GET /documents --percentile 50 --percentile 99.9",
    "history cpu_ratio",
    "alerts",
    "recommendations",
    "recommendations --all",
    "cache stats",
    "ledger",
    "host",
    "redis",
    "pools",
    "indexes",
    "cache clear analytics",
    "cache clear analytics --apply",
    "cache resize analytics --capacity 20000",
    "cache resize analytics --capacity 20000 --apply",
    "cache resize embed --bytes 64MiB",
    "cache warm analytics",
    "cache warm analytics --apply",
    "cache ttl analytics 10m",
    "cache ttl analytics 10m --apply",
    "alerts --clear",
    "alerts --clear --apply",
    "undo 3",
];

fn schema_of(line: &str) -> &'static str {
    of_command(&line.split(' ').collect::<Vec<_>>())
}

fn parsed(line: &str) -> Args {
    Args::try_parse_from(["perfdeck"].into_iter().chain(line.split_whitespace())).unwrap()
}

/// Runs a command against a sample's host.
fn asked(host: &SampleHost, line: &str) -> anyhow::Result<Outcome> {
    let args = parsed(line);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build();
    runtime
        .unwrap()
        .block_on(verb::ask(args.verb.as_ref().unwrap(), host, true))
}

#[test]
fn the_command_line_is_consistent() {
    Args::command().debug_assert();
}

#[test]
fn each_command_prints_what_its_schema_says() {
    for sample in Sample::ALL {
        for line in COMMANDS {
            let host = testing::host(sample);
            let Ok(outcome) = asked(&host, line) else {
                // An empty ledger has nothing to undo, and routes have other names elsewhere.
                let excused = match sample {
                    Sample::Empty => {
                        line.starts_with("undo")
                            || line.starts_with("exemplar")
                            || line.starts_with("history --route")
                    }
                    Sample::Hostile | Sample::Overloaded => {
                        line.starts_with("exemplar --of") || line.starts_with("history --route")
                    }
                    Sample::Typical => false,
                };
                assert!(excused, "{sample:?} {line}");
                continue;
            };
            let printed: Value = serde_json::from_str(&outcome.json.to_string()).unwrap();
            let problems = problems(schema_of(line), &printed);
            assert!(problems.is_empty(), "{sample:?} `{line}`: {problems:#?}");
        }
    }
}

#[test]
fn a_schema_notices_a_renamed_field() {
    let host = testing::host(Sample::Typical);
    for line in COMMANDS {
        let told = asked(&host, line).unwrap().json.to_string();
        let (first, renamed) = ("\"", "\"x_");
        for name in [
            "status",
            "p95_seconds",
            "namespace",
            "at",
            "service",
            "applied",
            "since",
        ] {
            let changed =
                told.replace(&format!("{first}{name}\":"), &format!("{renamed}{name}\":"));
            if changed != told {
                let changed: Value = serde_json::from_str(&changed).unwrap();
                assert!(
                    !problems(schema_of(line), &changed).is_empty(),
                    "{line} {name}"
                );
            }
        }
    }
}

#[test]
fn ls_and_errors_have_schemas_too() {
    let hosts = json!([{ "service": "a", "pid": 1, "uid": 0, "socket": "/run/a.sock" }]);
    assert_eq!(problems("ls", &hosts), Vec::<String>::new());
    assert_eq!(
        problems("error", &json!({ "error": "no" })),
        Vec::<String>::new()
    );
    assert_eq!(problems("error", &json!({ "errors": "no" })).len(), 2);
}

#[test]
fn what_is_no_number_is_null() {
    let mut caches = Caches::default();
    caches.namespaces.push(perfdeck_bridge::protocol::CacheRow {
        recent: vec![f32::NAN, 0.5],
        ..Default::default()
    });
    let state = serde_json::to_value(Update {
        at: NOW,
        state: State::Caches(caches),
        left_out: 0,
    })
    .unwrap();
    assert_eq!(
        state["state"]["caches"]["namespaces"][0]["recent"],
        json!([null, 0.5])
    );
}

#[test]
fn only_open_findings_are_recommended_unless_all_are_asked_for() {
    let host = testing::host(Sample::Typical);
    let number = |line| asked(&host, line).unwrap().json.as_array().unwrap().len();
    assert_eq!(
        (number("recommendations"), number("recommendations --all")),
        (5, 6)
    );
}

#[test]
fn nothing_is_changed_without_apply() {
    let host = testing::host(Sample::Typical);
    let rows = |host: &SampleHost| {
        asked(host, "ledger")
            .unwrap()
            .json
            .as_array()
            .unwrap()
            .len()
    };
    let before = rows(&host);
    let id = "missing_index-documents-1f3a";
    let outcome = asked(&host, &format!("apply {id}")).unwrap();
    assert_eq!(outcome.json["applied"], false);
    assert!(
        outcome.json["preview"]["statement"]
            .as_str()
            .unwrap()
            .contains("CREATE INDEX")
    );
    assert!(
        outcome
            .text
            .contains("Nothing was changed. The same command with --apply does it.")
    );
    assert_eq!(rows(&host), before);
    let outcome = asked(&host, &format!("apply {id} --apply")).unwrap();
    assert_eq!(outcome.json["applied"], true);
    assert_eq!(outcome.json["row"]["status"], "done");
    assert!(!outcome.failed);
    assert_eq!(rows(&host), before + 1);
}

#[test]
fn alerts_are_cleared_with_apply_alone() {
    let host = testing::host(Sample::Typical);
    let states = || {
        let told = asked(&host, "alerts").unwrap().json;
        let alerts = told["alerts"].as_array().unwrap().clone();
        let states = alerts.iter().map(|alert| alert["state"].to_string());
        states.collect::<Vec<_>>().join(" ")
    };
    let before = states();
    let outcome = asked(&host, "alerts --clear").unwrap();
    assert_eq!(outcome.json["applied"], false);
    assert!(outcome.text.contains("undo:   none"), "{}", outcome.text);
    assert_eq!(states(), before);
    let outcome = asked(&host, "alerts --clear --apply").unwrap();
    assert_eq!(outcome.json["row"]["action"], "clear_alerts");
    assert_eq!(states(), "\"pending\"");
    let wrong = Args::try_parse_from(["perfdeck", "alerts", "--apply"]).unwrap_err();
    assert_eq!(wrong.exit_code(), 2);
}

#[test]
fn an_unknown_id_is_one_sentence() {
    let host = testing::host(Sample::Typical);
    let error = |line| crate::error::sentence(&asked(&host, line).unwrap_err());
    assert_eq!(error("apply nothing"), "no such finding");
    assert_eq!(error("undo 99"), "no such row in the ledger");
}

#[test]
fn global_options_stand_before_or_after_the_verb() {
    for line in ["--service a --json ledger", "ledger --service a --json"] {
        let args = parsed(line);
        assert_eq!(args.global.service.as_deref(), Some("a"), "{line}");
        assert!(args.global.json, "{line}");
    }
    let wrong = Args::try_parse_from(["perfdeck", "frobnicate"]).unwrap_err();
    assert_eq!(wrong.exit_code(), 2);
}

/// Hostile text of a host can do nothing to a terminal, by the command line either.
#[test]
fn hostile_text_is_written_out_in_every_table() {
    let host = testing::host(Sample::Hostile);
    for line in COMMANDS {
        let Ok(Outcome { text, .. }) = asked(&host, line) else {
            let names_a_route = ["exemplar --of", "history --route"];
            assert!(
                names_a_route.iter().any(|name| line.starts_with(name)),
                "{line}"
            );
            continue;
        };
        for printed in text.lines() {
            assert_eq!(
                crate::format::printable(printed, 100_000),
                printed,
                "{line}"
            );
        }
    }
}

#[test]
fn tables_and_help_look_as_they_did() {
    let host = testing::host(Sample::Typical);
    insta::with_settings!({
        snapshot_path => "../../tests/snapshots",
        prepend_module_to_snapshot => false,
        omit_expression => true,
    }, {
        for line in COMMANDS {
            // Their ages would be that of the sample.
            if line != "status" && !line.starts_with("exemplars") {
                let name = format!("cli_{}", line.replace([' ', '-', '/', '{', '}'], "_"));
                insta::assert_snapshot!(name, asked(&host, line).unwrap().text);
            }
        }
        let mut command = Args::command().term_width(100);
        insta::assert_snapshot!("cli_help", command.render_long_help());
        for name in ["alerts", "apply", "cache"] {
            let help = command.find_subcommand_mut(name).unwrap().render_help();
            insta::assert_snapshot!(format!("cli_help_{name}"), help);
        }
    });
}

#[test]
fn each_topic_is_answered_at_once() {
    let host = testing::host(Sample::Typical);
    for topic in Topic::ALL {
        let question = perfdeck_bridge::protocol::Question::Now(topic);
        assert!(host.ask(question).now_or_never().unwrap().is_ok());
    }
}

#[test]
fn a_document_says_how_many_rows_it_lacks() {
    let host = testing::host(Sample::Typical);
    let lacks = |host: &SampleHost| asked(host, "requests").unwrap().json["left_out"].clone();
    assert_eq!(lacks(&host), 0);
    host.leave_out(Topic::Requests, 150);
    assert_eq!(lacks(&host), 150);
    let outcome = asked(&host, "requests").unwrap();
    assert_eq!(problems("requests", &outcome.json), Vec::<String>::new());
    assert_eq!(outcome.aside(true), None);
    assert!(outcome.aside(false).unwrap().contains("150 rows"));
    assert_eq!(asked(&host, "queries").unwrap().aside(false), None);
}
