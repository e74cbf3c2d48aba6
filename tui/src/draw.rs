//! The whole frame: header, tabs, verdict, the screen, footer, and what floats over them.

mod act;
mod frame;
mod overlay;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::keymap;
use crate::model::{Focus, Model};
use crate::screen::{
    Screen, Verdict, View, advice, alerts, caches, database, doctor, host, ledger, overview,
    queries, requests,
};
use crate::theme::Theme;
use crate::widget::Canvas;

/// Draws the model; it is pure, and the same for every size from 0×0 up.
///
/// ```text
/// header     service, version, link, the deck's own cost
/// tabs
/// ──────────
/// verdict    the answer in words, and the key that leads on
/// ──────────
/// the screen
/// ──────────
/// footer     the keys that work here
/// ```
pub(crate) fn draw(model: &Model, theme: Theme, buffer: &mut Buffer, area: Rect) {
    let mut canvas = Canvas::new(buffer, area, theme);
    canvas.clear();
    let (width, height) = (canvas.width(), canvas.height());
    frame::header(model, &mut canvas);
    frame::tabs(model, &mut canvas.below(1));
    frame::footer(
        model,
        &mut canvas.part(0, height.saturating_sub(1), width, 1),
    );
    let roomy = height >= 16;
    let foot = if roomy { 2 } else { 1 };
    if roomy {
        canvas.rule(height - 2);
    }
    let theme = if model.is_stale() && model.frozen.is_none() {
        theme.greyed()
    } else {
        theme
    };
    let bottom = height.saturating_sub(foot);
    let mut middle = Canvas::new(
        buffer,
        Rect {
            y: area.y + bottom.min(3),
            height: bottom.saturating_sub(3),
            ..area
        },
        theme,
    );
    let view = View {
        data: model.data(),
        now: model.shown_now(),
        recorded: model.link.is_recorded(),
    };
    let mut verdict = verdict(model, &view);
    if view.recorded {
        let works = |(key, _): &(&str, &str)| !keymap::changes_the_host(key);
        verdict.hint = verdict.hint.filter(works);
    }
    let end = frame::verdict(&verdict, &mut middle);
    middle.rule(end);
    screen(model, &view, &mut middle.below(end + 1));
    let mut whole = Canvas::new(buffer, area, theme);
    match &model.focus {
        Focus::Screen | Focus::Filter => {}
        Focus::Help { scroll } => overlay::help(model.screen, *scroll, &mut whole),
        Focus::Picker { hosts, selected } => overlay::picker(hosts, *selected, &mut whole),
        Focus::Act(act) => act::draw(model, act, &mut whole),
    }
}

fn verdict(model: &Model, view: &View<'_>) -> Verdict {
    let screens = &model.screens;
    match model.screen {
        Screen::Overview => overview::verdict(view, &screens.overview),
        Screen::Requests => requests::verdict(view, &screens.requests),
        Screen::Queries => queries::verdict(view, &screens.queries),
        Screen::Caches => caches::verdict(view, &screens.caches),
        Screen::Database => database::verdict(view, &screens.database),
        Screen::Alerts => alerts::verdict(view, &screens.alerts),
        Screen::Advice => advice::verdict(view, &screens.advice),
        Screen::Ledger => ledger::verdict(view, &screens.ledger),
        Screen::Host => host::verdict(view, &screens.host),
        Screen::Doctor => doctor::verdict(view, &screens.doctor),
    }
}

fn screen(model: &Model, view: &View<'_>, canvas: &mut Canvas<'_>) {
    let screens = &model.screens;
    match model.screen {
        Screen::Overview => overview::draw(view, &screens.overview, canvas),
        Screen::Requests => requests::draw(view, &screens.requests, canvas),
        Screen::Queries => queries::draw(view, &screens.queries, canvas),
        Screen::Caches => caches::draw(view, &screens.caches, canvas),
        Screen::Database => database::draw(view, &screens.database, canvas),
        Screen::Alerts => alerts::draw(view, &screens.alerts, canvas),
        Screen::Advice => advice::draw(view, &screens.advice, canvas),
        Screen::Ledger => ledger::draw(view, &screens.ledger, canvas),
        Screen::Host => host::draw(view, &screens.host, canvas),
        Screen::Doctor => doctor::draw(view, &screens.doctor, canvas),
    }
}
