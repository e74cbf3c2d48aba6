use perfdeck_bridge::protocol::{Preview, Risk};

use crate::format;
use crate::model::{Act, Model};
use crate::theme::{Mark, Role};
use crate::widget::canvas::paragraph_lines;
use crate::widget::modal::Modal;
use crate::widget::{Canvas, Piece, piece};
use crate::wish::Wish;

/// Draws the act, at whatever step it is.
pub(super) fn draw(model: &Model, act: &Act, canvas: &mut Canvas<'_>) {
    match act {
        Act::Wishing {
            wish,
            typed,
            problem,
        } => ask(wish, typed, problem.as_deref(), canvas),
        Act::Asking => say(
            "Act",
            "Asking the host what would happen.",
            Role::Text,
            canvas,
        ),
        Act::Refused { message } => say("Not done", message, Role::Over, canvas),
        Act::Deciding { preview, typed } => decide(model, preview, Some(typed), canvas),
        Act::Applying { preview } => decide(model, preview, None, canvas),
    }
}

fn say(title: &str, text: &str, role: Role, canvas: &mut Canvas<'_>) {
    let modal = Modal {
        title,
        title_end: vec![],
        foot: vec![piece("esc", Role::Key), piece(" leave", Role::Dim)],
        foot_end: vec![],
        width: 60,
        height: 5,
    };
    modal.draw(canvas, |inside| {
        inside.paragraph(0, 0, text, role, 3);
    });
}

/// Asks the user how much.
fn ask(wish: &Wish, typed: &str, problem: Option<&str>, canvas: &mut Canvas<'_>) {
    let modal = Modal {
        title: "Act",
        title_end: vec![],
        foot: vec![
            piece("enter", Role::Key),
            piece(" preview   ", Role::Dim),
            piece("esc", Role::Key),
            piece(" leave", Role::Dim),
        ],
        foot_end: vec![],
        width: 60,
        height: 6,
    };
    modal.draw(canvas, |inside| {
        let question = format::printable(&wish.question(), 200);
        inside.paragraph(0, 0, &question, Role::Text, 2);
        let x = inside.put(0, 2, typed, Role::Selected);
        let cursor = inside.theme().mark(Mark::Cursor);
        inside.put(x, 2, cursor, Role::Selected);
        inside.put(0, 3, problem.unwrap_or_default(), Role::Over);
    });
}

fn decide(model: &Model, preview: &Preview, typed: Option<&String>, canvas: &mut Canvas<'_>) {
    let now = model.host_now();
    let left = preview.expires_at.since(now);
    let expired = now >= preview.expires_at;
    let allowed = model
        .hello
        .as_ref()
        .is_some_and(|hello| hello.allows.contains(&preview.risk));
    let ready = allowed && !expired;
    let confirmed = preview
        .confirm
        .as_ref()
        .is_none_or(|word| typed == Some(word));
    let risk = risk(preview.risk);
    let width = canvas.width().saturating_sub(4).min(78);
    let room = usize::from(width.saturating_sub(4));
    let (what, undo) = (what(preview, room), undo(preview, room));
    let title = format!("Apply: {}", format::printable(&preview.title, 40));
    let modal = Modal {
        title: &title,
        title_end: vec![piece(format!("risk: {risk}"), Role::Near)],
        foot: if typed.is_some() && ready {
            let role = if confirmed { Role::Key } else { Role::Dim };
            vec![
                piece("enter", role),
                piece(" apply   ", Role::Dim),
                piece("esc", Role::Key),
                piece(" leave", Role::Dim),
            ]
        } else {
            vec![piece("esc", Role::Key), piece(" leave", Role::Dim)]
        },
        foot_end: if typed.is_none() {
            vec![]
        } else if expired {
            vec![piece("expired", Role::Over)]
        } else {
            vec![piece(
                format!("expires in {}", format::age(left)),
                Role::Dim,
            )]
        },
        width,
        height: (what.len() + undo.len()) as u16 + 4,
    };
    modal.draw(canvas, |inside| {
        // Where there is no room for all, the line that the user answers and the undo are the last to go.
        let height = inside.height();
        let ask = height.saturating_sub(1);
        let most = usize::from(ask).saturating_sub(undo.len());
        for (y, line) in (0..ask).zip(what.iter().take(most).chain(&undo)) {
            inside.line(0, y, std::slice::from_ref(line));
        }
        let cursor = inside.theme().mark(Mark::Cursor);
        match (typed, &preview.confirm) {
            (None, _) => inside.put(0, ask, "applying", Role::Near),
            (Some(_), _) if !allowed => {
                let text = format!("You may look, not apply: this host does not allow `{risk}`.");
                inside.put(0, ask, &text, Role::Over)
            }
            (Some(_), _) if expired => inside.put(
                0,
                ask,
                "The plan has expired: leave, and ask again.",
                Role::Over,
            ),
            (Some(typed), Some(word)) => {
                let question = format!("type {} to go on: ", format::printable(word, 24));
                let x = inside.put(0, ask, &question, Role::Text);
                let role = if confirmed {
                    Role::Good
                } else {
                    Role::Selected
                };
                let x = inside.put(x, ask, typed, role);
                inside.put(x, ask, cursor, role)
            }
            (Some(_), None) => inside.put(0, ask, "Enter applies it.", Role::Text),
        };
    });
}

/// Lays the preview out: the statement first and whole where there is room for it.
fn what(preview: &Preview, room: usize) -> Vec<Piece> {
    let mut lines: Vec<Piece> = Vec::new();
    let mut tell = |text: &str, most: usize, role| {
        lines.extend(paragraph(text, room, most, role));
    };
    tell(&preview.statement, 6, Role::Strong);
    for note in preview.notes.iter().take(6) {
        tell(note, 2, Role::Text);
    }
    if let Some(expected) = &preview.expected {
        tell(&format!("brings {expected}"), 2, Role::Good);
    }
    lines
}

fn undo(preview: &Preview, room: usize) -> Vec<Piece> {
    let undo = &preview.undo;
    let until = undo
        .until
        .map(|until| format!(" (until {} UTC)", format::clock_seconds(until)));
    let statement = match undo.statement.as_str() {
        "" => "none",
        statement => statement,
    };
    let text = format!("undo: {statement}{}", until.unwrap_or_default());
    paragraph(&text, room, 3, Role::Dim).collect()
}

fn paragraph(text: &str, room: usize, most: usize, role: Role) -> impl Iterator<Item = Piece> {
    paragraph_lines(text, room, most)
        .into_iter()
        .map(move |line| piece(line, role))
}

const fn risk(risk: Risk) -> &'static str {
    match risk {
        Risk::Cache => "cache",
        Risk::Schema => "schema",
        Risk::Backend => "backend",
        Risk::Host => "host",
        Risk::Deck => "deck",
        Risk::Other => "unknown",
    }
}
