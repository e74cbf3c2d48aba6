use std::cmp::Reverse;

use perfdeck_bridge::protocol::{Level, Status};

use crate::format::{self, printable, width};
use crate::keymap;
use crate::model::{Focus, Link, Model};
use crate::screen::{Screen, Verdict, advice, alerts, doctor};
use crate::sight;
use crate::theme::{Mark, Role};
use crate::widget::canvas::paragraph_lines;
use crate::widget::{Canvas, Piece, piece};

/// A part of the header: the higher its rank, the sooner it is left out.
struct Part {
    rank: u8,
    right: bool,
    piece: Piece,
}

/// Draws who the host is, whether it is there, and what the deck costs it.
pub(super) fn header(model: &Model, canvas: &mut Canvas<'_>) {
    let mut parts = Vec::new();
    let mut part = |rank, right, text: String, role| {
        parts.push(Part {
            rank,
            right,
            piece: piece(printable(&text, 48), role),
        });
    };
    match &model.hello {
        Some(hello) => {
            let version = hello.version.as_deref().unwrap_or_default();
            part(0, false, hello.service.clone(), Role::Strong);
            part(3, false, version.to_owned(), Role::Text);
            part(5, false, format!("pid {}", hello.pid), Role::Dim);
            let up = format::age(model.host_now().since(hello.started_at));
            part(6, false, format!("up {up}"), Role::Dim);
        }
        None => part(0, false, "perfdeck".to_owned(), Role::Strong),
    }
    let (mark, text, role) = link(model);
    part(
        0,
        true,
        format!("{} {text}", canvas.theme().mark(mark)),
        role,
    );
    if let Some(status) = model.live.status() {
        let deck = &status.deck;
        let cost = format!("deck {} cpu", format::share(deck.cpu_percent / 100.0));
        part(4, true, cost, Role::Dim);
        part(7, true, format::bytes(deck.memory_bytes as f64), Role::Dim);
        let dropped = dropped(status);
        let role = if dropped == 0 { Role::Dim } else { Role::Near };
        let rank = if dropped == 0 { 2 } else { 1 };
        part(
            rank,
            true,
            format!("dropped {}", format::quantity(dropped as f64)),
            role,
        );
    }
    arrange(parts, canvas);
}

fn arrange(mut parts: Vec<Part>, canvas: &mut Canvas<'_>) {
    const GAP: usize = 3;
    let room = usize::from(canvas.width());
    let length = |parts: &[Part]| -> usize {
        parts
            .iter()
            .map(|part| width(&part.piece.text) + GAP)
            .sum::<usize>()
    };
    while length(&parts) > room {
        let last = parts
            .iter()
            .enumerate()
            .max_by_key(|(place, part)| (part.rank, Reverse(*place)));
        match last.map(|(place, part)| (place, part.rank)) {
            Some((place, rank)) if rank > 0 => {
                parts.remove(place);
            }
            _ => break,
        }
    }
    let right: usize = parts
        .iter()
        .filter(|part| part.right)
        .map(|part| width(&part.piece.text) + GAP)
        .sum();
    let start = room.saturating_sub(right.saturating_sub(GAP) + 1) as u16;
    // Where not even the name and the link fit, the link is the one that is read.
    let mut left = canvas.part(0, 0, start.saturating_sub(1), 1);
    let mut x = 1;
    for part in parts.iter().filter(|part| !part.right) {
        x = left.put(x, 0, &part.piece.text, part.piece.role) + GAP as u16;
    }
    let mut x = start;
    for part in parts.iter().filter(|part| part.right) {
        x = canvas.put(x, 0, &part.piece.text, part.piece.role) + GAP as u16;
    }
}

fn link(model: &Model) -> (Mark, String, Role) {
    if let Some(frozen) = &model.frozen {
        let age = format::age(model.host_now().since(frozen.at));
        return (Mark::Frozen, format!("frozen {age}"), Role::Near);
    }
    let age = |since| format::age(model.now.since(since));
    match &model.link {
        Link::Connecting => (Mark::Lost, "connecting".to_owned(), Role::Near),
        Link::Live => {
            let received = model.received.unwrap_or(model.now);
            (Mark::Live, format!("live {}", age(received)), Role::Good)
        }
        Link::Recorded(reel) => {
            let end = if reel.after == 0 { ", its end" } else { "" };
            let (mark, playing) = if reel.playing {
                (Mark::Live, ", playing")
            } else {
                (Mark::Frozen, "")
            };
            let at = format::clock_seconds(reel.at);
            (mark, format!("recording {at}{playing}{end}"), Role::Near)
        }
        Link::Stale { since } => (Mark::Lost, format!("silent {}", age(*since)), Role::Near),
        Link::Lost { retry_at, .. } => {
            let wait = format::age(retry_at.since(model.now));
            (Mark::Lost, format!("lost, again in {wait}"), Role::Over)
        }
        Link::Unreadable { .. } => (Mark::Lost, "unreadable".to_owned(), Role::Over),
        Link::Incompatible { theirs, ours } => (
            Mark::Lost,
            format!("speaks {theirs}, not {ours}"),
            Role::Over,
        ),
    }
}

fn dropped(status: &Status) -> u64 {
    let dropped = &status.deck.dropped;
    dropped
        .recordings
        .saturating_add(dropped.overflowed)
        .saturating_add(dropped.updates)
}

/// Draws the tabs and the rule under them, which is strong under the present one.
pub(super) fn tabs(model: &Model, canvas: &mut Canvas<'_>) {
    let over = canvas.theme().mark(Mark::Over);
    let full: Vec<(Screen, String, String)> = Screen::ALL
        .into_iter()
        .map(|screen| {
            (
                screen,
                format!("{} {}", screen.number(), screen.title()),
                badge(model, screen, over),
            )
        })
        .collect();
    let length = |tabs: &[(Screen, String, String)], gap: usize| -> usize {
        tabs.iter()
            .map(|(_, title, badge)| width(title) + width(badge) + gap)
            .sum()
    };
    let room = usize::from(canvas.width());
    // Narrow screens give the other tabs' titles up, from the last one, and nothing more: the numbers stay.
    let gap = if length(&full, 2) < room { 2 } else { 1 };
    let mut tabs = full;
    for place in (0..tabs.len()).rev() {
        if length(&tabs, gap) < room {
            break;
        }
        if let Some((screen, title, _)) = tabs.get_mut(place)
            && *screen != model.screen
        {
            *title = screen.number().to_string();
        }
    }
    canvas.rule(1);
    let mut x = 1;
    for (screen, title, badge) in tabs {
        let here = screen == model.screen;
        let start = x;
        x = canvas.put(x, 0, &title, if here { Role::Selected } else { Role::Text });
        let role = if screen == Screen::Alerts {
            Role::Over
        } else {
            Role::Dim
        };
        x = canvas.put(x, 0, &badge, role);
        if here {
            let stroke = canvas
                .theme()
                .mark(Mark::ActiveRule)
                .repeat(usize::from(x - start));
            canvas.put(start, 1, &stroke, Role::Selected);
        }
        x += gap as u16;
    }
}

fn badge(model: &Model, screen: Screen, over: &str) -> String {
    let data = model.data();
    match screen {
        Screen::Alerts => match data.alerts().map_or(0, alerts::firing) {
            0 => String::new(),
            firing => format!(" {over}{firing}"),
        },
        Screen::Advice => match data.advice().map_or(0, advice::open) {
            0 => String::new(),
            open => format!(" {open}"),
        },
        Screen::Doctor => match data.status().map_or(0, doctor::unseen) {
            0 => String::new(),
            unseen => format!(" {unseen}"),
        },
        _ => String::new(),
    }
}

/// Draws the answer in words and the key that leads on, and returns the next free line.
pub(super) fn verdict(verdict: &Verdict, canvas: &mut Canvas<'_>) -> u16 {
    let room = usize::from(canvas.width().saturating_sub(4));
    let mark = canvas.theme().level_mark(verdict.level);
    let lines = paragraph_lines(&verdict.text, room, 2);
    let role = match verdict.level {
        Level::Good => Role::Strong,
        level => Role::from(level),
    };
    canvas.put(1, 0, mark, role);
    // The mark has a column of its own; without one the words begin where all regions begin.
    let x = if mark.trim().is_empty() { 2 } else { 3 };
    for (y, line) in (0..).zip(&lines) {
        canvas.put(x, y, line, role);
    }
    let last = lines.len().saturating_sub(1) as u16;
    let used = lines.last().map_or(0, |line| width(line) as u16) + x + 2;
    let mut end = canvas.width().saturating_sub(2);
    if let Some((key, words)) = verdict.hint {
        let start = end.saturating_sub((key.len() + 1 + words.len()) as u16);
        if used < start {
            let pieces = [piece(key, Role::Key), piece(format!(" {words}"), Role::Dim)];
            canvas.line(start, last, &pieces);
            end = start.saturating_sub(4);
        }
    }
    if let Some(since) = &verdict.since
        && used + (since.len() as u16) < end
    {
        canvas.put(used, last, since, Role::Dim);
    }
    (lines.len() as u16).max(1)
}

/// Draws the keys that work here, what is being typed, or what was just done.
pub(super) fn footer(model: &Model, canvas: &mut Canvas<'_>) {
    if let Some(notice) = &model.notice {
        let (mark, role) = if notice.good {
            (Mark::Good, Role::Good)
        } else {
            (Mark::Bad, Role::Over)
        };
        let x = canvas.put(1, 0, canvas.theme().mark(mark), role) + 1;
        canvas.put(x, 0, &notice.text, role);
        return;
    }
    if let (Link::Lost { reason, .. } | Link::Unreadable { reason }, Focus::Screen) =
        (&model.link, &model.focus)
    {
        let x = canvas.put(1, 0, canvas.theme().mark(Mark::Lost), Role::Over) + 1;
        canvas.put(x, 0, reason, Role::Over);
        return;
    }
    let filter = model.screens.list(model.screen).filter();
    if model.focus == Focus::Filter {
        let x = canvas.put(1, 0, &format!("/{filter}"), Role::Selected);
        let x = canvas.put(x, 0, canvas.theme().mark(Mark::Cursor), Role::Selected);
        let keys = [("enter", "keep"), ("esc", "clear")];
        canvas
            .part(x + 3, 0, u16::MAX, 1)
            .whole(0, 0, 0, &told(&keys));
        return;
    }
    let mut x = 1;
    if !filter.is_empty() {
        x = canvas.put(1, 0, &format!("/{filter}"), Role::Selected) + 3;
    }
    let left_out = model.data().left_out(model.screen.topic());
    if left_out > 0 {
        x = canvas.put(x, 0, &sight::left_out(left_out), Role::Near) + 3;
    }
    let recorded = model.link.is_recorded();
    let keys: Vec<(String, &str)> = keymap::footer(model.screen, recorded).collect();
    let room = usize::from(canvas.width());
    let mut kept: Vec<(&str, &str)> = keys
        .iter()
        .map(|(key, word)| (key.as_str(), *word))
        .collect();
    let length = |kept: &[(&str, &str)]| -> usize {
        kept.iter()
            .map(|(key, word)| key.len() + word.len() + 4)
            .sum()
    };
    // Help and quit come last and stay longest.
    while usize::from(x) + length(&kept) > room + 3 && kept.len() > 2 {
        kept.remove(kept.len() - 3);
    }
    canvas.whole(x, 0, 0, &told(&kept));
}

fn told(keys: &[(&str, &str)]) -> Vec<Piece> {
    let mut pieces = Vec::new();
    for (place, (key, word)) in keys.iter().enumerate() {
        let gap = if place == 0 { "" } else { "   " };
        pieces.push(piece(format!("{gap}{key}"), Role::Key));
        pieces.push(piece(format!(" {word}"), Role::Dim));
    }
    pieces
}
