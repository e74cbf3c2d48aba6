use crate::format::{printable, width};
use crate::keymap::BINDINGS;
use crate::model::Candidate;
use crate::screen::Screen;
use crate::theme::{Mark, Role};
use crate::widget::modal::Modal;
use crate::widget::table::first_row;
use crate::widget::{Canvas, piece};

/// Draws every key and what it does.
pub(super) fn help(screen: Screen, scroll: u16, canvas: &mut Canvas<'_>) {
    let rows: Vec<(String, &str, bool)> = BINDINGS
        .iter()
        .map(|binding| {
            let keys: Vec<String> = binding.keys.iter().map(|key| key.name()).collect();
            (keys.join(" "), binding.long, binding.works_on(screen))
        })
        .collect();
    let keys = rows.iter().map(|row| row.0.len()).max().unwrap_or(0) as u16;
    let modal = Modal {
        title: "Keys",
        title_end: vec![piece("times are UTC", Role::Dim)],
        foot: vec![piece("esc", Role::Key), piece(" close", Role::Dim)],
        foot_end: vec![piece("j k", Role::Key), piece(" scroll", Role::Dim)],
        width: keys + 50,
        height: rows.len() as u16 + 2,
    };
    modal.draw(canvas, |inside| {
        let most = (rows.len() as u16).saturating_sub(inside.height());
        let shown = rows.iter().skip(usize::from(scroll.min(most)));
        for (y, (names, long, works)) in (0..inside.height()).zip(shown) {
            let role = if *works { Role::Key } else { Role::Dim };
            inside.put(0, y, names, role);
            inside.put(
                keys + 2,
                y,
                long,
                if *works { Role::Text } else { Role::Dim },
            );
        }
    });
}

/// Draws the choice between hosts.
pub(super) fn picker(hosts: &[Candidate], selected: usize, canvas: &mut Canvas<'_>) {
    let names: Vec<String> = hosts
        .iter()
        .map(|host| printable(&host.service, 40))
        .collect();
    let longest = names.iter().map(|name| width(name)).max().unwrap_or(0) as u16;
    let modal = Modal {
        title: "Which service?",
        title_end: vec![],
        foot: vec![piece("enter", Role::Key), piece(" attach", Role::Dim)],
        foot_end: vec![piece("q", Role::Key), piece(" quit", Role::Dim)],
        width: (longest + 34).max(44),
        height: hosts.len() as u16 + 2,
    };
    modal.draw(canvas, |inside| {
        let height = inside.height();
        let first = first_row(Some(selected), hosts.len(), usize::from(height));
        let shown = hosts.iter().zip(&names).enumerate().skip(first);
        for (y, (place, (host, name))) in (0..height).zip(shown) {
            let role = if place == selected {
                Role::Selected
            } else {
                Role::Text
            };
            if place == selected {
                inside.put(0, y, inside.theme().mark(Mark::Selected), role);
            }
            inside.put(2, y, name, role);
            inside.put(
                longest + 4,
                y,
                &format!("pid {}   uid {}", host.pid, host.uid),
                Role::Dim,
            );
        }
    });
}
