use std::sync::Arc;
use std::time::Duration;

use perfdeck_bridge::protocol::{
    ActRequest, CacheCapacity, ExemplarId, Hello, Intent, LedgerId, Question, State, Topic, Update,
    WhichExemplar,
};
use perfdeck_bridge::testing::{NOW, Sample, hello};

use super::harness::{Scene, Viewer, frame};
use crate::effect::Effect;
use crate::keymap::Key;
use crate::model::{Act, Focus, Link, Model, Reel};
use crate::msg::{LinkMsg, Msg};
use crate::screen::Screen;
use crate::update::update;

/// Presses keys and expects texts on the last frame.
fn check(keys: &str, expected: &[&str]) -> Viewer {
    let mut viewer = Viewer::new(Sample::Typical);
    viewer.press(keys);
    let drawn = viewer.frame();
    for text in expected {
        assert!(drawn.contains(text), "`{keys}` shows no `{text}`:\n{drawn}");
    }
    viewer
}

fn applied(viewer: &Viewer) -> usize {
    let apply = |effect: &&Effect| matches!(effect, Effect::Act(ActRequest::Apply(_)));
    viewer.effects.iter().filter(apply).count()
}

#[test]
fn digits_and_tab_lead_to_every_screen() {
    check("2", &["GET /documents takes 61% of the users' wait"]);
    check("3", &["58% of the time in the database is one statement"]);
    check("4", &["`analytics` answers only 41%"]);
    check("6", &["2 alerts fire."]);
    check("7", &["5 findings, together worth 52%"]);
    check("8", &["The ledger is kept in memory only."]);
    check("9", &["Pool `primary` has 18 of 20", "chat.message.bytes"]);
    check("0", &["2 things can't be seen: commands to Redis"]);
    check("0 j", &["fix          CREATE EXTENSION hypopg"]);
    check("tab tab", &["58% of the time in the database"]);
    check("9 tab tab", &["Slow: GET /documents waits 412ms"]);
}

#[test]
fn a_screen_s_topic_is_followed_while_it_is_shown() {
    let viewer = check("3", &[]);
    let Some(Effect::Follow(topics)) = viewer.effects.first() else {
        panic!("follows nothing")
    };
    assert!(topics.contains(&Topic::Queries) && !topics.contains(&Topic::Requests));
}

#[test]
fn enter_on_the_overview_leads_to_the_route_s_statements() {
    let viewer = check(
        "enter",
        &["statements", "SELECT id, title, status", "answers in"],
    );
    let asked = Effect::Ask(Question::Route("GET /documents".to_owned()));
    assert!(viewer.effects.contains(&asked));
}

#[test]
fn enter_on_a_statement_shows_its_routes_and_distribution() {
    check("3 enter", &["run by", "GET /search", "up to", "615 225"]);
    check("3 enter esc", &["its routes and its distribution"]);
}

#[test]
fn moving_while_open_opens_the_next_row() {
    let viewer = check(
        "2 enter j",
        &["GET /sessions/{id}", "SELECT id, author, body"],
    );
    assert!(
        viewer
            .effects
            .contains(&Effect::Ask(Question::Route("GET /sessions/{id}".into())))
    );
}

#[test]
fn enter_on_an_opened_route_leads_to_its_real_requests_and_their_steps() {
    let viewer = check(
        "2 enter enter",
        &[
            "5 requests are kept whole",
            "beside all steps",
            "cache embed",
        ],
    );
    let asked = Effect::Ask(Question::Exemplars("GET /documents".to_owned()));
    assert!(viewer.effects.contains(&asked));
    check("2 enter enter enter j j", &["▸ query", "after it came"]);
    // Back from the steps, from the requests and from the route.
    check("2 enter enter enter esc", &["▸   10s"]);
    check("2 enter enter esc", &["its real requests, one by one"]);
    check("2 enter enter esc esc", &["its statements"]);
}

#[test]
fn moving_among_real_requests_shows_each_one_s_steps() {
    let viewer = check("2 enter enter j", &["▸   22s", "503", "failed"]);
    let id = WhichExemplar::Id(ExemplarId(2));
    assert!(
        viewer
            .effects
            .contains(&Effect::Ask(Question::Exemplar(id)))
    );
    // A new one on top moves nobody who has chosen.
    let mut viewer = check("2 enter enter j", &[]);
    viewer.refresh();
    assert!(viewer.frame().contains("▸   21s"), "{}", viewer.frame());
}

#[test]
fn a_percentile_opens_a_real_request_of_about_its_length() {
    check("2 p", &["Nearest to the p95 is this one of 412ms."]);
    check(
        "2 p p",
        &["Nearest to the longest request is this", "▸   25s   801ms"],
    );
    check("2 p p p", &["Nearest to the p50 is this one of 128ms."]);
    check("2 p esc", &["its statements"]);
}

#[test]
fn a_filter_narrows_the_list_until_it_is_cleared() {
    check("2 / s e s s enter", &["/sess", "▸ GET /sessions/{id}"]);
    check("2 / x y z", &["No row holds `xyz`", "/xyz█"]);
    let viewer = check("2 / x y z esc", &["▸ GET /documents"]);
    assert_eq!(viewer.model.screens.requests.list.filter(), "");
}

#[test]
fn the_service_s_own_numbers_are_found_by_name_kind_and_meaning() {
    check(
        "9 / j o b s enter",
        &["▸ jobs{queue=\"mail\",state=\"done\"}"],
    );
    check("9 / g a u g e enter", &["▸ clients.connected"]);
    check("9 / a s space i t enter", &["▸ chat.message.bytes"]);
    check("9 / x y z", &["No row holds `xyz`"]);
}

#[test]
fn the_service_s_own_numbers_are_sorted() {
    check("9 s", &["▸ chat.message.bytes"]);
    check("9 s s", &["▸ chat.messages"]);
    check("9 s s s s", &["▸ chat.messages"]);
    check("9 s s s s s", &["▸ chat.message.bytes"]);
}

#[test]
fn sorting_goes_through_the_orders_and_back() {
    check("2 s s", &["▸ GET /analytics"]);
    check("2 s s s s s s", &["▸ GET /documents"]);
}

#[test]
fn a_finding_is_applied_after_its_table_was_typed() {
    let mut viewer = check(
        "7 a",
        &[
            "Apply: create index",
            "risk: schema",
            "type documents to go on",
            "expires in 51s",
        ],
    );
    viewer.press("enter");
    assert_eq!(applied(&viewer), 0, "nothing was typed yet");
    viewer.press("d o c u m e n t s enter").refresh();
    assert_eq!(applied(&viewer), 1);
    assert_eq!(
        (viewer.model.screen, &viewer.model.focus),
        (Screen::Ledger, &Focus::Screen)
    );
    assert!(viewer.frame().contains("measuring"), "{}", viewer.frame());
}

/// Pressing twice does a thing once; this is the part of this side.
#[test]
fn double_enter_is_one_action() {
    let mut viewer = Viewer::new(Sample::Typical);
    viewer.press("4 c");
    let first = update(&mut viewer.model, Msg::Key(Key::Enter));
    let second = update(&mut viewer.model, Msg::Key(Key::Enter));
    assert!(matches!(
        first.as_slice(),
        [Effect::Act(ActRequest::Apply(_))]
    ));
    assert!(second.is_empty());
    viewer.answer(first);
    viewer.press("enter");
    assert_eq!(applied(&viewer), 1);
}

#[test]
fn an_expired_plan_is_not_applied() {
    let mut viewer = check("4 c", &["Enter applies it."]);
    update(
        &mut viewer.model,
        Msg::Tick(NOW.after(Duration::from_secs(60))),
    );
    viewer.press("enter");
    assert_eq!(applied(&viewer), 0);
    assert!(viewer.frame().contains("The plan has expired"));
}

#[test]
fn an_observer_sees_the_preview_and_may_not_apply_it() {
    let mut viewer = Viewer::new(Sample::Typical);
    let observer = Hello {
        allows: Vec::new(),
        ..hello(Sample::Typical)
    };
    update(
        &mut viewer.model,
        Msg::Link(LinkMsg::Attached(Box::new(observer))),
    );
    viewer.press("4 c enter");
    assert_eq!(applied(&viewer), 0);
    assert!(viewer.frame().contains("You may look, not apply"));
}

#[test]
fn a_refusal_is_told_and_left() {
    let viewer = check("7 j a", &["only code helps here"]);
    assert_eq!(viewer.model.focus, Focus::Screen);
    let viewer = check("8 j j j u", &["this can't be undone"]);
    assert_eq!(viewer.effects.len(), 1);
}

#[test]
fn an_action_is_undone_from_the_ledger_and_from_the_cache() {
    let mut viewer = check("8 j u", &["Apply: undo create_index"]);
    viewer.press("enter").refresh();
    assert_eq!(applied(&viewer), 1);
    let undone = viewer
        .model
        .live
        .ledger()
        .unwrap()
        .rows
        .iter()
        .find(|row| row.id == LedgerId(3));
    assert!(undone.unwrap().undo.is_none());
    check("4 j u", &["this row can't be undone any more"]);
}

/// What the last preview was asked of.
fn previewed(viewer: &Viewer) -> Option<&Intent> {
    viewer.effects.iter().rev().find_map(|effect| match effect {
        Effect::Act(ActRequest::Preview(intent)) => Some(intent),
        _ => None,
    })
}

#[test]
fn a_cache_is_resized_by_the_amount_that_is_typed() {
    let mut viewer = check(
        "4 j r",
        &["How much may cache analytics hold, in entries? Now 1"],
    );
    viewer.press("2 x enter");
    assert!(viewer.frame().contains("it is no number"));
    assert_eq!(previewed(&viewer), None);
    viewer.press("backspace 0 0 0 enter");
    let wanted = Intent::ResizeCache {
        namespace: "analytics".into(),
        capacity: CacheCapacity::Entries(2_000),
    };
    assert_eq!(previewed(&viewer), Some(&wanted));
    assert!(viewer.frame().contains("Apply: resize cache analytics"));
    viewer.press("enter").refresh();
    assert_eq!(applied(&viewer), 1);
    assert!(viewer.frame().contains("resize_cache analytics"));
}

#[test]
fn a_cache_that_counts_bytes_is_resized_in_them() {
    let viewer = check("4 r 1 2 8 M i B enter", &["Enter applies it."]);
    let wanted = Intent::ResizeCache {
        namespace: "embed".into(),
        capacity: CacheCapacity::Bytes(128 << 20),
    };
    assert_eq!(previewed(&viewer), Some(&wanted));
}

#[test]
fn a_cache_gets_the_time_to_live_that_is_typed() {
    let viewer = check(
        "4 j t 1 0 m enter",
        &["Apply: change TTL of cache analytics"],
    );
    let wanted = Intent::SetCacheTtl {
        namespace: "analytics".into(),
        ttl_seconds: 600,
    };
    assert_eq!(previewed(&viewer), Some(&wanted));
    let viewer = check("4 t 1 0 esc", &[]);
    assert_eq!(viewer.model.focus, Focus::Screen);
    assert_eq!(previewed(&viewer), None);
}

#[test]
fn a_cache_is_warmed_by_a_key() {
    let viewer = check("4 j w", &["Apply: warm cache analytics", "undo: none"]);
    let wanted = Intent::WarmCache {
        namespace: "analytics".into(),
    };
    assert_eq!(previewed(&viewer), Some(&wanted));
}

#[test]
fn capacity_is_moved_by_a_key() {
    let viewer = check(
        "4 o",
        &[
            "Apply: optimize caches",
            "let caches hold again: `analytics` 1000 entries",
        ],
    );
    assert_eq!(previewed(&viewer), Some(&Intent::OptimizeCaches));
}

#[test]
fn a_frozen_view_stays_while_the_host_goes_on() {
    let mut viewer = check("8 space", &["‖ frozen 0s"]);
    let before = frame(&viewer.model, 120, 40);
    let row = |drawn: &str| drawn.lines().skip(3).collect::<Vec<_>>().join("\n");
    viewer.host.advance(NOW.after(Duration::from_secs(600)));
    viewer.refresh();
    assert_eq!(row(&before), row(&viewer.frame()));
    viewer.press("space");
    assert!(viewer.frame().contains("● live"));
    assert_ne!(row(&before), row(&viewer.frame()));
}

#[test]
fn a_silent_host_is_stale_and_a_lost_one_leaves_its_data() {
    let mut viewer = Viewer::new(Sample::Typical);
    update(
        &mut viewer.model,
        Msg::Tick(NOW.after(Duration::from_secs(5))),
    );
    assert!(matches!(viewer.model.link, Link::Stale { .. }));
    assert!(viewer.frame().contains("○ silent 5s"));
    let drawn = frame(&Scene::Lost.model(Screen::Overview), 120, 40);
    assert!(drawn.contains("○ lost, again in 2s") && drawn.contains("GET /documents"));
    assert!(drawn.contains("the connection to the host was closed"));
}

#[test]
fn a_lost_link_ends_an_act_that_waits() {
    let mut viewer = Viewer::new(Sample::Typical);
    viewer.press("4");
    update(&mut viewer.model, Msg::Key(Key::Char('c')));
    assert_eq!(viewer.model.focus, Focus::Act(Act::Asking));
    let lost = LinkMsg::Lost {
        reason: "gone".to_owned(),
        retry_at: NOW,
    };
    update(&mut viewer.model, Msg::Link(lost));
    assert!(matches!(
        viewer.model.focus,
        Focus::Act(Act::Refused { .. })
    ));
    viewer.press("esc");
    assert_eq!(viewer.model.focus, Focus::Screen);
}

#[test]
fn limits_that_were_set_are_told_with_what_they_would_be() {
    check(
        "6 j j",
        &["limit 2.00s   fires after 30s   set, else 2.00s"],
    );
    let mut viewer = Viewer::new(Sample::Typical);
    let mut alerts = viewer.model.data().alerts().cloned().unwrap();
    alerts.alerts.clear();
    let state = State::Alerts(alerts);
    update(
        &mut viewer.model,
        Msg::Update(Arc::new(Update {
            at: NOW,
            state,
            left_out: 0,
        })),
    );
    viewer.press("6");
    let drawn = viewer.frame();
    for line in [
        "response_time_p95  over 2.50s    after 30s    set, else 2.00s",
        "response_time_p95  over 30.0s    after 30s    GET /export  set, else 2.50s",
        "cache_hit_rate     under 70%     after 1m00s",
    ] {
        assert!(drawn.contains(line), "no `{line}`:\n{drawn}");
    }
    // A filter that leaves no row is told instead.
    viewer.press("/ x enter");
    assert!(!viewer.frame().contains("cache_hit_rate"));
}

/// Shows the typical sample as a recording that plays.
fn recorded() -> Viewer {
    let mut viewer = Viewer::new(Sample::Typical);
    let reel = Reel {
        at: NOW,
        before: 7,
        after: 7,
        playing: true,
    };
    update(&mut viewer.model, Msg::Link(LinkMsg::Recorded(reel)));
    viewer
}

#[test]
fn a_recording_tells_no_key_that_it_would_refuse() {
    for (keys, live) in [
        ("1", &["a act", "a see and apply it"][..]),
        (
            "4 j",
            &[
                "c clear",
                "r resize it",
                "u undo",
                "u bring its entries back",
            ],
        ),
        (
            "7",
            &["a act", "a preview and apply", "a preview and apply it"],
        ),
        ("8", &["u undo", "u take it back"]),
    ] {
        check(keys, live);
        let mut viewer = recorded();
        viewer.press(keys);
        let drawn = viewer.frame();
        let told = |text: &&&str| drawn.contains(**text);
        assert_eq!(live.iter().find(told), None, "{drawn}");
        assert!(drawn.contains("enter open   / filter"), "{drawn}");
    }
}

#[test]
fn a_tick_that_can_t_be_read_leaves_what_is_shown_and_promises_nothing() {
    let changed = || Msg::Link(LinkMsg::Unreadable("the file was changed".to_owned()));
    let mut viewer = recorded();
    update(&mut viewer.model, changed());
    let drawn = viewer.frame();
    let word = "that tick can't be read: the file was changed";
    assert!(
        drawn.contains(word) && drawn.contains("recording 14:21:40  "),
        "{drawn}"
    );
    assert!(drawn.contains("GET /documents") && !drawn.contains("again in"));
    assert!(matches!(&viewer.model.link, Link::Recorded(reel) if !reel.playing));

    let mut model = Model::new(NOW);
    update(&mut model, changed());
    let drawn = frame(&model, 120, 40);
    assert!(
        drawn.contains("unreadable") && drawn.contains("the file was changed"),
        "{drawn}"
    );
    assert!(!drawn.contains("again in"));
}

#[test]
fn a_new_process_of_the_service_takes_the_place_of_the_old() {
    let mut viewer = Viewer::new(Sample::Typical);
    let renewed = Hello {
        pid: 5000,
        ..hello(Sample::Typical)
    };
    update(
        &mut viewer.model,
        Msg::Link(LinkMsg::Attached(Box::new(renewed))),
    );
    assert!(viewer.frame().contains("attached to the new process 5000"));
    assert!(viewer.model.live.overview().is_none());
    viewer.refresh();
    assert_eq!(viewer.model.link, Link::Live);
}

#[test]
fn pasted_text_is_typed_and_never_enters() {
    let mut viewer = check("7 a", &[]);
    update(
        &mut viewer.model,
        Msg::Paste("docu\nments\r\x1b".to_owned()),
    );
    assert_eq!(applied(&viewer), 0);
    assert!(viewer.frame().contains("go on: documents█"));
}

#[test]
fn quitting_is_one_key_everywhere() {
    for keys in ["q", "2 q", "? q"] {
        let viewer = check(keys, &[]);
        assert_eq!(viewer.effects.last(), Some(&Effect::Quit), "{keys}");
    }
    let viewer = check("? esc", &["where the users' time goes"]);
    assert_eq!(viewer.model.focus, Focus::Screen);
}
