use perfdeck_bridge::protocol::{Blindness, BudgetLevel, Dropped, RecordingState};

use super::{Advice, Facts, Jump, MOST_DEATHS, Pool, Statements, examine, seen};
use crate::observe::layer::Installed;

/// A service of which all is seen.
fn clear() -> Facts {
    Facts {
        layer: Installed::All,
        debug_compiled_out: false,
        requests: 1_200,
        templates: 3,
        unmatched: 0,
        knows_templates: true,
        heard: Statements::default(),
        wrapped: Statements {
            calls: 4_000,
            unattributed: 100,
        },
        astray: 0,
        acquires: 4_000,
        pools: vec![pool(Advice::Planned)],
        functions: 2,
        namespaces: 1,
        caches_bypassed: false,
        host: true,
        first_deck: true,
        redis_connections: Some(0),
        own_redis_connections: 0,
        redis: Vec::new(),
        commands: 0,
        elsewhere: 0,
        symbols: Some(true),
        agent_deaths: 0,
        agent_panics: 0,
        dropped: Dropped::default(),
        refused: 0,
        level: BudgetLevel::Full,
        over_budget: String::new(),
        jump: None,
        recording: None,
    }
}

fn pool(advice: Advice) -> Pool {
    Pool {
        name: "primary".into(),
        database: "postgresql",
        advice,
    }
}

/// A service whose statements the layer alone sees.
fn unwrapped() -> Facts {
    Facts {
        heard: Statements {
            calls: 4_000,
            unattributed: 30,
        },
        wrapped: Statements::default(),
        acquires: 0,
        pools: Vec::new(),
        ..clear()
    }
}

/// Expects what is found, in order.
fn check(facts: &Facts, expected: &[(&str, Blindness)]) {
    let spots = examine(facts);
    let found: Vec<_> = spots
        .iter()
        .map(|spot| (spot.kind.as_str(), spot.blindness))
        .collect();
    assert_eq!(found, expected, "{facts:#?}");
    for spot in spots {
        assert!(
            !spot.what.is_empty() && !spot.why.is_empty() && !spot.fix.contains('\n'),
            "{spot:?}"
        );
    }
}

#[test]
fn each_blind_spot_is_told_with_the_line_that_helps() {
    let check = |facts: Facts, kind: &str, fix: &str| {
        let spots = examine(&facts);
        let told = spots.iter().find(|spot| spot.kind == kind);
        assert!(
            told.is_some_and(|spot| spot.fix.contains(fix)),
            "no {kind} with `{fix}`: {spots:#?}"
        );
    };
    let hidden = |debug_compiled_out| Facts {
        layer: Installed::SlowOnly,
        debug_compiled_out,
        ..clear()
    };
    let of_pool = |advice| Facts {
        pools: vec![pool(advice)],
        ..clear()
    };
    let dropped = |recordings, overflowed| Facts {
        dropped: Dropped {
            recordings,
            overflowed,
            ..Dropped::default()
        },
        ..clear()
    };
    check(hidden(false), "sqlx_events_filtered", "with_filter");
    check(
        hidden(true),
        "debug_compiled_out",
        "drop that feature of `tracing`",
    );
    check(
        Facts {
            wrapped: Statements::default(),
            ..clear()
        },
        "no_statements",
        "log_statements",
    );
    check(
        unwrapped(),
        "pool_not_named",
        "deck.pool(\"primary\", pool)",
    );
    check(
        Facts {
            layer: Installed::No,
            ..unwrapped()
        },
        "statements_not_observed",
        "deck.pool(\"primary\", pool)",
    );
    check(
        Facts {
            heard: Statements {
                calls: 900,
                unattributed: 900,
            },
            ..clear()
        },
        "statements_unattributed",
        ".in_current_span()",
    );
    check(
        Facts {
            templates: 0,
            ..clear()
        },
        "no_route_template",
        "`Router::layer` after the routes",
    );
    check(
        Facts {
            redis_connections: Some(1),
            ..clear()
        },
        "redis_not_wrapped",
        "deck.redis(",
    );
    check(
        of_pool(Advice::Modelled),
        "hypopg_missing",
        "CREATE EXTENSION hypopg",
    );
    check(
        of_pool(Advice::Failed("no right".into())),
        "database_not_asked",
        "may read the catalog",
    );
    check(
        Facts {
            symbols: Some(false),
            ..clear()
        },
        "no_symbols",
        "strip = false",
    );
    check(
        Facts {
            first_deck: false,
            ..clear()
        },
        "second_deck",
        "start one deck a process",
    );
    check(dropped(1, 0), "recordings_dropped", "report it if it grows");
    check(
        dropped(0, 1),
        "keys_overflowed",
        "pass values as parameters",
    );
    let jump = Some(Jump {
        seconds: 60.0,
        age_seconds: 1,
    });
    check(
        Facts { jump, ..clear() },
        "clock_jump",
        "restart the service",
    );
    check(
        Facts {
            recording: Some(RecordingState {
                error: Some("the disk is full".into()),
                ..RecordingState::default()
            }),
            ..clear()
        },
        "recording_failed",
        "make room",
    );
    check(
        Facts {
            agent_panics: 1,
            ..clear()
        },
        "agent_panicked",
        "report it",
    );
    check(
        Facts {
            agent_deaths: 1,
            ..clear()
        },
        "agent_died",
        "report it",
    );
    check(
        Facts {
            agent_deaths: MOST_DEATHS,
            ..clear()
        },
        "agent_dead",
        "restart the service",
    );
}

#[test]
fn an_agent_in_trouble_is_told_by_how_far_it_got() {
    use Blindness::{Blind, Partly};
    let facts = |agent_deaths, agent_panics| Facts {
        agent_deaths,
        agent_panics,
        ..clear()
    };
    check(&facts(0, 0), &[]);
    check(&facts(0, 3), &[("agent_panicked", Partly)]);
    // The death is the worse news, and is told alone.
    check(&facts(1, 0), &[("agent_died", Partly)]);
    check(&facts(1, 3), &[("agent_died", Partly)]);
    check(&facts(2, 0), &[("agent_dead", Blind)]);
    check(&facts(2, 3), &[("agent_dead", Blind)]);
    let why = |deaths, panics| examine(&facts(deaths, panics))[0].why.clone();
    assert!(why(0, 3).starts_with("3 steps of its agent panicked"));
    assert!(why(2, 0).starts_with("the deck's agent died 2 times"));
}

#[test]
fn nothing_is_found_where_all_is_seen() {
    check(&clear(), &[]);
}

#[test]
fn a_hidden_event_is_named_by_what_hides_it() {
    use Blindness::{Blind, Partly};
    let hidden = |pools: Vec<Pool>, debug_compiled_out| Facts {
        layer: Installed::SlowOnly,
        debug_compiled_out,
        pools,
        ..clear()
    };
    let unnamed = ("pool_not_named", Partly);
    let none = Vec::new;
    check(
        &hidden(none(), false),
        &[("sqlx_events_filtered", Blind), unnamed],
    );
    check(
        &hidden(none(), true),
        &[("debug_compiled_out", Blind), unnamed],
    );
    // The wrapped pool goes on seeing its own.
    let named = vec![pool(Advice::Planned)];
    check(&hidden(named, false), &[("sqlx_events_filtered", Partly)]);
}

#[test]
fn statement_logging_that_is_off_is_named_where_it_shows() {
    let silent = |layer, requests, acquires| Facts {
        layer,
        requests,
        acquires,
        wrapped: Statements::default(),
        ..clear()
    };
    let all = Installed::All;
    check(&silent(all, 9, 9), &[("no_statements", Blindness::Blind)]);
    check(&silent(all, 9, 0), &[("no_statements", Blindness::Partly)]);
    // Nothing was asked of the service yet, or nobody knows yet what the layer hears.
    check(&silent(all, 0, 0), &[]);
    check(&silent(Installed::Unproved, 9, 9), &[]);
}

#[test]
fn a_pool_that_was_not_given_is_missed() {
    check(&unwrapped(), &[("pool_not_named", Blindness::Partly)]);
    let facts = Facts {
        layer: Installed::No,
        heard: Statements::default(),
        ..unwrapped()
    };
    check(&facts, &[("statements_not_observed", Blindness::Blind)]);
}

#[test]
fn statements_without_a_request_are_told_with_the_reason() {
    let why = |calls, unattributed, elsewhere, requests| {
        let facts = Facts {
            requests,
            elsewhere,
            heard: Statements {
                calls,
                unattributed,
            },
            wrapped: Statements::default(),
            ..clear()
        };
        let spots = examine(&facts);
        assert!(spots.len() < 2, "{spots:#?}");
        spots.first().map(|spot| {
            assert_eq!(spot.kind, "statements_unattributed");
            assert!(spot.what.contains(&unattributed.to_string()), "{spot:?}");
            (spot.blindness, spot.why.clone())
        })
    };
    let (blindness, all) = why(50, 50, 50, 9).unwrap();
    assert!(
        blindness == Blindness::Partly && all.contains("SQLite") && !all.contains("background")
    );
    let (blindness, most) = why(50, 40, 0, 9).unwrap();
    assert!(
        blindness == Blindness::Note && most.contains("background") && !most.contains("SQLite")
    );
    let (_, both) = why(50, 40, 12, 9).unwrap();
    assert!(
        both.contains("12 of them") && both.contains("background"),
        "{both}"
    );
    assert!(why(1_000, 10, 0, 9).is_some_and(|(told, _)| told == Blindness::Note));
    assert_eq!(why(1_000, 9, 0, 9), None);
    // A worker that serves nobody has no requests to which they could belong.
    assert_eq!(why(50, 50, 0, 0), None);
}

#[test]
fn statements_of_a_wrapped_pool_may_run_in_the_background() {
    let facts = |astray| Facts {
        wrapped: Statements {
            calls: 1_000,
            unattributed: 500,
        },
        astray,
        ..clear()
    };
    check(&facts(9), &[]);
    // Others of the same text ran in requests.
    let found = [("statements_unattributed", Blindness::Note)];
    check(&facts(10), &found);
    let spots = examine(&facts(10));
    assert!(spots[0].what.contains("10 of 1000"), "{spots:?}");
    assert!(!spots[0].fix.contains("deck.pool"), "it is one already");
}

#[test]
fn routes_without_a_template_are_told_with_the_reason() {
    let facts = |requests, templates, knows_templates| Facts {
        requests,
        templates,
        unmatched: 0,
        knows_templates,
        ..clear()
    };
    let found = [("no_route_template", Blindness::Blind)];
    check(&facts(9, 0, true), &found);
    check(&facts(9, 0, false), &found);
    check(&facts(9, 1, true), &[]);
    check(&facts(0, 0, true), &[]);
    // By the share of those that matched none, once there are templates.
    let some = |unmatched, blindness: &[Blindness]| {
        let facts = Facts {
            unmatched,
            ..facts(1_000, 3, true)
        };
        let found = blindness.iter().map(|one| ("no_route_template", *one));
        check(&facts, &found.collect::<Vec<_>>());
    };
    some(99, &[]);
    some(100, &[Blindness::Note]);
    some(500, &[Blindness::Partly]);
    let fix = |knows| examine(&facts(9, 0, knows))[0].fix.clone();
    assert!(fix(false).contains("feature `axum`") && !fix(true).contains("feature"));
}

#[test]
fn advice_is_told_by_what_it_is_founded_on() {
    let facts = |advice| Facts {
        pools: vec![pool(advice)],
        ..clear()
    };
    check(
        &facts(Advice::Modelled),
        &[("hypopg_missing", Blindness::Partly)],
    );
    check(
        &facts(Advice::Failed("no right".into())),
        &[("database_not_asked", Blindness::Blind)],
    );
    check(&facts(Advice::None), &[]);
}

#[test]
fn what_the_process_is_and_does_is_told() {
    use Blindness::{Blind, Note, Partly};
    check(
        &Facts {
            first_deck: false,
            caches_bypassed: true,
            redis_connections: Some(2),
            symbols: Some(false),
            ..clear()
        },
        &[
            ("redis_not_wrapped", Blind),
            ("second_deck", Partly),
            ("caches_bypassed", Partly),
            ("no_symbols", Note),
        ],
    );
    // As many as the caches may have are no reason to say anything; more are, and how many is not certain.
    let beside_caches = |connections| Facts {
        redis_connections: Some(connections),
        own_redis_connections: 3,
        ..clear()
    };
    check(&beside_caches(3), &[]);
    check(&beside_caches(4), &[("redis_not_wrapped", Blind)]);
    let told = examine(&beside_caches(5));
    assert!(
        told[0]
            .why
            .contains("2 to 5 connections to port 6379 beside its caches'"),
        "{told:?}"
    );
    // One that is wrapped can't be told from the others.
    check(
        &Facts {
            redis_connections: Some(2),
            redis: vec!["sessions".into()],
            ..clear()
        },
        &[],
    );
    // Where nobody can tell, nothing is said.
    check(
        &Facts {
            redis_connections: None,
            symbols: None,
            ..clear()
        },
        &[],
    );
}

#[test]
fn what_was_not_kept_is_told_unless_it_is_only_a_late_frame() {
    let facts = |recordings, overflowed, updates| Facts {
        dropped: Dropped {
            recordings,
            overflowed,
            updates,
            ..Dropped::default()
        },
        ..clear()
    };
    check(
        &facts(3, 0, 0),
        &[("recordings_dropped", Blindness::Partly)],
    );
    check(&facts(0, 3, 0), &[("keys_overflowed", Blindness::Partly)]);
    check(&facts(0, 0, 3), &[]);
}

#[test]
fn a_jump_of_the_clock_is_told_with_its_way_and_its_age() {
    let why = |seconds, age_seconds| {
        let jump = Some(Jump {
            seconds,
            age_seconds,
        });
        let spots = examine(&Facts { jump, ..clear() });
        assert_eq!((spots.len(), spots[0].kind.as_str()), (1, "clock_jump"));
        spots[0].why.clone()
    };
    assert!(why(-61.2, 30).contains("went 61 s back less than a minute ago"));
    assert!(why(5.0, 900).contains("went 5 s forward 15 minutes ago"));
}

#[test]
fn what_is_seen_is_told_with_its_numbers() {
    let told = |facts: &Facts| {
        let seen = seen(facts);
        let lines = seen
            .iter()
            .map(|seen| format!("{}: {}", seen.what, seen.how));
        lines.collect::<Vec<_>>()
    };
    assert_eq!(
        told(&clear()),
        [
            "requests: 1 200 to 3 routes with a template",
            "statements: 4 000 through the deck's pools and the layer, 100 of them outside any request",
            "pools: `primary` (postgresql)",
            "functions: 2 under `#[perfdeck::monitor]`",
            "caches: 1 namespace",
            "machine: processor and memory",
            "advice: on the indexes of `primary`",
        ]
    );
    let with_redis = Facts {
        redis: vec!["sessions".into(), "queue".into()],
        commands: 1_000,
        ..clear()
    };
    assert!(
        told(&with_redis).contains(&"redis: 1 000 commands through `sessions`, `queue`".into())
    );
    let blind = Facts {
        layer: Installed::SlowOnly,
        requests: 0,
        functions: 0,
        namespaces: 0,
        host: false,
        ..unwrapped()
    };
    assert_eq!(told(&blind), [""; 0]);
}

#[test]
fn what_the_deck_gives_up_is_told_with_its_reason() {
    let at = |level| Facts {
        level,
        over_budget: "it held 33.0 MiB of 32".into(),
        ..clear()
    };
    let expected = [
        (BudgetLevel::CoarseHistory, Blindness::Note),
        (BudgetLevel::NoExemplars, Blindness::Partly),
        (BudgetLevel::ShortHistory, Blindness::Partly),
    ];
    for (level, blindness) in expected {
        check(&at(level), &[("budget_level", blindness)]);
        let spots = examine(&at(level));
        assert!(
            spots.iter().all(|spot| spot.why.contains("33.0 MiB")),
            "{spots:?}"
        );
    }
}
