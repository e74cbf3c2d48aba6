use std::time::Duration;

use futures_util::FutureExt as _;
use perfdeck_bridge::Source as _;
use perfdeck_bridge::testing::{self, NOW, Sample, SampleHost};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::draw::draw;
use crate::effect::Effect;
use crate::keymap::Key;
use crate::model::Model;
use crate::msg::{LinkMsg, Msg};
use crate::screen::Screen;
use crate::theme::Theme;
use crate::update::update;

/// Draws the model as text.
pub(super) fn frame(model: &Model, width: u16, height: u16) -> String {
    text(&styled(model, Theme::FULL, width, height))
}

/// Draws the model with its styles.
pub(super) fn styled(model: &Model, theme: Theme, width: u16, height: u16) -> Buffer {
    let area = Rect::new(0, 0, width, height);
    let mut buffer = Buffer::empty(area);
    draw(model, theme, &mut buffer, area);
    buffer
}

/// Returns a buffer's characters, one line a row.
pub(super) fn text(buffer: &Buffer) -> String {
    let area = buffer.area;
    let line = |y| {
        let mut line = String::new();
        let mut x = area.left();
        while x < area.right() {
            let symbol = buffer[(x, y)].symbol();
            line.push_str(symbol);
            // A wide character covers the next cell.
            x += (crate::format::width(symbol) as u16).max(1);
        }
        line.trim_end().to_owned()
    };
    (area.top()..area.bottom())
        .map(line)
        .collect::<Vec<_>>()
        .join("\n")
}

/// What the host is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scene {
    Empty,
    Loading,
    Typical,
    Overloaded,
    Lost,
    Hostile,
}

impl Scene {
    pub(super) const ALL: [Self; 6] = [
        Self::Empty,
        Self::Loading,
        Self::Typical,
        Self::Overloaded,
        Self::Lost,
        Self::Hostile,
    ];

    /// Makes a model that has seen this.
    pub(super) fn model(self, screen: Screen) -> Model {
        let mut model = Model::new(NOW);
        model.screen = screen;
        let sample = match self {
            Self::Loading => return model,
            Self::Empty => Sample::Empty,
            Self::Typical | Self::Lost => Sample::Typical,
            Self::Overloaded => Sample::Overloaded,
            Self::Hostile => Sample::Hostile,
        };
        attach(&mut model, sample);
        if self == Self::Lost {
            update(&mut model, Msg::Tick(NOW.after(Duration::from_secs(9))));
            let reason = "the connection to the host was closed".to_owned();
            let retry_at = NOW.after(Duration::from_secs(11));
            update(&mut model, Msg::Link(LinkMsg::Lost { reason, retry_at }));
        }
        model
    }
}

/// Tells a model all that a sample's host tells, one second ago.
pub(super) fn attach(model: &mut Model, sample: Sample) {
    let hello = testing::hello(sample);
    update(model, Msg::Link(LinkMsg::Attached(Box::new(hello))));
    for state in testing::updates(sample) {
        update(model, Msg::Update(state));
    }
    update(model, Msg::Tick(NOW.after(Duration::from_secs(1))));
}

/// A viewer without a terminal, and a host without a socket.
pub(super) struct Viewer {
    pub(super) model: Model,
    pub(super) host: SampleHost,
    pub(super) effects: Vec<Effect>,
}

impl Viewer {
    pub(super) fn new(sample: Sample) -> Self {
        let mut model = Model::new(NOW);
        attach(&mut model, sample);
        Self {
            model,
            host: testing::host(sample),
            effects: Vec::new(),
        }
    }

    /// Presses keys, named as in `7 j enter a`, and lets the host answer each.
    pub(super) fn press(&mut self, keys: &str) -> &mut Self {
        for key in keys.split_whitespace().map(key) {
            let effects = update(&mut self.model, Msg::Key(key));
            self.answer(effects);
        }
        self
    }

    /// Does what effects ask, with the host.
    pub(super) fn answer(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            self.effects.push(effect.clone());
            let msg = match effect {
                Effect::Ask(question) => {
                    let answer = self.host.ask(question.clone()).now_or_never().unwrap();
                    Msg::Answered(question, answer.map_err(|error| error.to_string()))
                }
                Effect::Act(request) => {
                    let reply = self.host.act(request.clone()).now_or_never().unwrap();
                    Msg::Acted(request, reply.map_err(|error| error.to_string()))
                }
                Effect::Quit | Effect::Attach(_) | Effect::Follow(_) | Effect::Travel(_) => {
                    continue;
                }
            };
            let effects = update(&mut self.model, msg);
            self.answer(effects);
        }
    }

    /// Lets the host tell its present states.
    pub(super) fn refresh(&mut self) -> &mut Self {
        let mut subscription = self.host.subscribe(&perfdeck_bridge::protocol::Topic::ALL);
        while let Some(Some(published)) = subscription.next().now_or_never() {
            let effects = update(&mut self.model, Msg::Update(published.update.clone()));
            self.answer(effects);
        }
        self
    }

    pub(super) fn frame(&self) -> String {
        frame(&self.model, 120, 40)
    }
}

fn key(name: &str) -> Key {
    match name {
        "enter" => Key::Enter,
        "esc" => Key::Esc,
        "tab" => Key::Tab,
        "space" => Key::Char(' '),
        "backspace" => Key::Backspace,
        name => {
            let mut chars = name.chars();
            match (chars.next(), chars.next()) {
                (Some(char), None) => Key::Char(char),
                _ => panic!("{name} is no key"),
            }
        }
    }
}
