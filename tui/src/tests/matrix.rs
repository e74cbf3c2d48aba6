use insta::{assert_debug_snapshot, assert_snapshot};
use proptest::prelude::*;

use perfdeck_bridge::protocol::Topic;
use perfdeck_bridge::testing::Sample;

use super::harness::{Scene, Viewer, frame, styled, text};
use crate::keymap::BINDINGS;
use crate::model::{Candidate, Focus};
use crate::screen::Screen;
use crate::theme::{Colours, Glyphs, Theme};

const SIZES: [(u16, u16); 3] = [(80, 24), (120, 40), (40, 12)];

/// Compares frames with those that were looked at, in `tests/snapshots`.
fn kept(check: impl FnOnce()) {
    insta::with_settings!({
        snapshot_path => "../../tests/snapshots",
        prepend_module_to_snapshot => false,
        omit_expression => true,
    }, { check() });
}

#[test]
fn each_screen_looks_as_it_did() {
    for screen in Screen::ALL {
        for scene in Scene::ALL {
            let model = scene.model(screen);
            for (width, height) in SIZES {
                let name = format!("{}_{scene:?}_{width}x{height}", screen.title()).to_lowercase();
                kept(|| assert_snapshot!(name, frame(&model, width, height)));
            }
        }
    }
}

#[test]
fn what_floats_looks_as_it_did() {
    let host = |service: &str, pid| Candidate {
        service: service.to_owned(),
        pid,
        uid: 1000,
        socket: "/run/user/1000/perfdeck/x.sock".into(),
    };
    let hosts = vec![
        host("support-desk", 4121),
        host("billing", 4177),
        host("\x1b[31m", 1),
    ];
    for (name, focus) in [
        ("help", Focus::Help { scroll: 0 }),
        ("picker", Focus::Picker { hosts, selected: 1 }),
        ("filter", Focus::Filter),
    ] {
        let mut model = Scene::Typical.model(Screen::Requests);
        model.screens.requests.list.filter_mut().push_str("doc");
        model.focus = focus;
        for (width, height) in SIZES {
            let name = format!("{name}_{width}x{height}");
            kept(|| assert_snapshot!(name, frame(&model, width, height)));
        }
    }
}

#[test]
fn an_act_looks_as_it_did() {
    for (sample, name) in [(Sample::Typical, "act"), (Sample::Hostile, "act_hostile")] {
        for (keys, step) in [("7 a d o c", "schema"), ("4 c", "cache")] {
            let mut viewer = Viewer::new(sample);
            viewer.press(keys);
            for (width, height) in SIZES {
                let name = format!("{name}_{step}_{width}x{height}");
                kept(|| assert_snapshot!(name, frame(&viewer.model, width, height)));
            }
        }
    }
}

#[test]
fn a_hostile_host_s_requests_look_as_they_did() {
    for (keys, name) in [("2 enter enter", "kept"), ("2 j p enter j j", "step")] {
        let mut viewer = Viewer::new(Sample::Hostile);
        viewer.press(keys);
        for (width, height) in SIZES {
            let name = format!("opened_{name}_hostile_{width}x{height}");
            kept(|| assert_snapshot!(name, frame(&viewer.model, width, height)));
        }
    }
}

#[test]
fn what_is_opened_is_seen_in_seven_bits() {
    for (keys, name) in [
        ("2 p enter", "kept"),
        ("3 enter", "query"),
        ("4 j enter", "curve"),
    ] {
        let mut viewer = Viewer::new(Sample::Typical);
        viewer.press(keys);
        let theme = Theme {
            glyphs: Glyphs::Ascii,
            ..Theme::FULL
        };
        let drawn = text(&styled(&viewer.model, theme, 80, 24));
        assert!(drawn.is_ascii(), "{drawn}");
        let name = format!("opened_{name}_ascii_80x24");
        kept(|| assert_snapshot!(name, drawn));
    }
}

#[test]
fn where_a_hostile_service_calls_from_does_no_harm() {
    let mut viewer = Viewer::new(Sample::Hostile);
    viewer.press("3 enter");
    for (width, height) in SIZES {
        let name = format!("opened_hostile_query_{width}x{height}");
        kept(|| assert_snapshot!(name, frame(&viewer.model, width, height)));
    }
}

#[test]
fn what_is_opened_looks_as_it_did() {
    for (keys, name) in [
        ("2 enter", "route"),
        ("2 enter enter", "kept"),
        ("2 enter enter j j enter j j", "step"),
        ("2 j p p", "longest"),
        ("3 enter", "query"),
        ("4 j enter", "curve"),
        ("7 enter", "finding"),
        ("7 j j j enter", "cache_advice"),
    ] {
        let mut viewer = Viewer::new(Sample::Typical);
        viewer.press(keys);
        for (width, height) in SIZES {
            let name = format!("opened_{name}_{width}x{height}");
            kept(|| assert_snapshot!(name, frame(&viewer.model, width, height)));
        }
    }
    for (keys, name) in [
        ("4 enter", "cache"),
        ("6 enter", "alert"),
        ("8 j enter", "receipt"),
        ("9 enter", "metric"),
        ("0 enter", "blind_spot"),
    ] {
        let mut viewer = Viewer::new(Sample::Typical);
        viewer.press(keys);
        let name = format!("opened_{name}_80x24");
        kept(|| assert_snapshot!(name, frame(&viewer.model, 80, 24)));
    }
}

#[test]
fn each_theme_looks_as_it_did() {
    let ascii = Theme {
        colours: Colours::None,
        glyphs: Glyphs::Ascii,
        stale: false,
    };
    for (name, theme) in [
        ("true", Theme::FULL),
        (
            "sixteen",
            Theme {
                colours: Colours::Sixteen,
                ..Theme::FULL
            },
        ),
        (
            "none",
            Theme {
                colours: Colours::None,
                ..Theme::FULL
            },
        ),
        ("ascii", ascii),
    ] {
        let model = Scene::Typical.model(Screen::Overview);
        let buffer = styled(&model, theme, 80, 24);
        kept(|| assert_debug_snapshot!(format!("style_{name}"), buffer));
    }
    let lost = styled(&Scene::Lost.model(Screen::Overview), Theme::FULL, 80, 24);
    kept(|| assert_debug_snapshot!("style_lost", lost));
}

#[test]
fn ascii_needs_seven_bits_on_every_screen() {
    let theme = Theme {
        colours: Colours::None,
        glyphs: Glyphs::Ascii,
        stale: false,
    };
    for screen in Screen::ALL {
        for scene in Scene::ALL {
            let drawn = text(&styled(&scene.model(screen), theme, 120, 40));
            assert!(drawn.is_ascii(), "{screen:?} {scene:?}\n{drawn}");
        }
    }
}

/// On this side of the terminal's backend: no cell holds what moves, hides or joins.
#[test]
fn hostile_text_leaves_no_trace_in_any_frame() {
    for screen in Screen::ALL {
        for (width, height) in SIZES {
            let buffer = styled(&Scene::Hostile.model(screen), Theme::FULL, width, height);
            for cell in &buffer.content {
                let symbol = cell.symbol();
                let harmless = crate::format::printable(symbol, 9) == symbol;
                assert!(
                    harmless && symbol.chars().count() == 1,
                    "{screen:?}: {symbol:?}"
                );
            }
        }
    }
}

#[test]
fn the_help_tells_each_action_once() {
    let mut model = Scene::Typical.model(Screen::Overview);
    model.focus = Focus::Help { scroll: 0 };
    let drawn = frame(&model, 120, 40);
    for binding in BINDINGS {
        assert_eq!(drawn.matches(binding.long).count(), 1, "{}", binding.long);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_size_panics(
        width in 0_u16..140,
        height in 0_u16..50,
        screen in 0_usize..Screen::ALL.len(),
        scene in 0_usize..Scene::ALL.len(),
        open in any::<bool>(),
    ) {
        let mut model = Scene::ALL[scene].model(Screen::ALL[screen]);
        if open {
            crate::update::update(&mut model, crate::msg::Msg::Key(crate::keymap::Key::Enter));
        }
        frame(&model, width, height);
        model.focus = Focus::Help { scroll: 3 };
        frame(&model, width, height);
    }
}

#[test]
fn a_screen_that_lacks_rows_says_so_and_no_other_does() {
    let mut viewer = Viewer::new(Sample::Overloaded);
    viewer.host.leave_out(Topic::Requests, 150);
    viewer.refresh();
    for (width, height) in SIZES {
        let says =
            |viewer: &Viewer| frame(&viewer.model, width, height).contains("150 rows left out");
        viewer.press("2");
        assert!(says(&viewer), "{}", frame(&viewer.model, width, height));
        viewer.press("3");
        assert!(!says(&viewer), "{}", frame(&viewer.model, width, height));
    }
}
