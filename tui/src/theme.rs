//! The only place that knows colours and glyphs.
//!
//! Views speak of roles; a theme turns them into styles. Colour means state only, and each state has a mark beside it,
//! so a theme without colour loses nothing.

use perfdeck_bridge::protocol::Level;
use ratatui::style::{Color, Modifier, Style};

/// What a piece of text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Role {
    /// What is read.
    #[default]
    Text,
    /// What stands out among it: names, the present number.
    Strong,
    /// Labels, units, context, and what is old.
    Dim,
    /// Bars and charts of what is as it should be.
    Graph,
    /// Rules between regions.
    Rule,
    /// Over its limit.
    Over,
    /// Near its limit, or waiting.
    Near,
    /// Better than before, or as it should be.
    Good,
    /// Under the cursor.
    Selected,
    /// A key to press.
    Key,
}

impl Role {
    /// Returns the role of a bar or a chart at this level.
    pub(crate) fn graph(level: Level) -> Self {
        match level {
            Level::Good => Self::Graph,
            level => Self::from(level),
        }
    }
}

impl From<Level> for Role {
    fn from(level: Level) -> Self {
        match level {
            Level::Good => Self::Text,
            Level::Near => Self::Near,
            Level::Over => Self::Over,
        }
    }
}

/// How many colours there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Colours {
    /// 24 bits.
    True,
    /// The terminal's own sixteen.
    Sixteen,
    /// None: bold, dim and reversed only.
    None,
}

/// Which characters can be drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Glyphs {
    /// Blocks, lines and marks.
    Unicode,
    /// Seven bits.
    Ascii,
}

/// The marks that go with a colour, and the strokes of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark {
    Over,
    Good,
    Bad,
    Live,
    Lost,
    Frozen,
    Selected,
    Cursor,
    Rule,
    ActiveRule,
    Upright,
    Corners,
}

/// How everything looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Theme {
    /// The colours.
    pub(crate) colours: Colours,
    /// The characters.
    pub(crate) glyphs: Glyphs,
    /// Whether everything is greyed, since it is old.
    pub(crate) stale: bool,
}

impl Theme {
    /// The theme of a modern terminal.
    pub(crate) const FULL: Self = Self {
        colours: Colours::True,
        glyphs: Glyphs::Unicode,
        stale: false,
    };

    /// What text and ground are where a picture has to say it; a terminal knows its own.
    pub(crate) const PICTURE: (Color, Color) =
        (Color::Rgb(0xd8, 0xdc, 0xe4), Color::Rgb(0x16, 0x19, 0x21));

    /// Returns the theme for what is old: everything is greyed.
    pub(crate) const fn greyed(self) -> Self {
        Self {
            stale: true,
            ..self
        }
    }

    /// Returns the style of a role.
    pub(crate) fn style(self, role: Role) -> Style {
        let role = if self.stale && role != Role::Rule {
            Role::Dim
        } else {
            role
        };
        let plain = Style::new();
        match self.colours {
            Colours::True => match role {
                Role::Text => plain,
                Role::Strong => plain.add_modifier(Modifier::BOLD),
                Role::Dim => plain.fg(Color::Rgb(0x80, 0x88, 0x98)),
                Role::Graph => plain.fg(Color::Rgb(0x8b, 0x9b, 0xb8)),
                Role::Rule => plain.fg(Color::Rgb(0x4a, 0x50, 0x5e)),
                Role::Over => plain.fg(Color::Rgb(0xf2, 0x6d, 0x78)),
                Role::Near => plain.fg(Color::Rgb(0xe6, 0xb4, 0x50)),
                Role::Good => plain.fg(Color::Rgb(0x7f, 0xc9, 0x8f)),
                Role::Selected => plain
                    .fg(Color::Rgb(0x6c, 0xb2, 0xf7))
                    .add_modifier(Modifier::BOLD),
                Role::Key => plain.add_modifier(Modifier::BOLD),
            },
            Colours::Sixteen => match role {
                Role::Text | Role::Graph => plain,
                Role::Strong | Role::Key => plain.add_modifier(Modifier::BOLD),
                Role::Dim | Role::Rule => plain.fg(Color::DarkGray),
                Role::Over => plain.fg(Color::LightRed),
                Role::Near => plain.fg(Color::LightYellow),
                Role::Good => plain.fg(Color::LightGreen),
                Role::Selected => plain.fg(Color::LightBlue).add_modifier(Modifier::BOLD),
            },
            Colours::None => match role {
                Role::Text | Role::Graph | Role::Near | Role::Good => plain,
                Role::Strong | Role::Key | Role::Over => plain.add_modifier(Modifier::BOLD),
                Role::Dim | Role::Rule => plain.add_modifier(Modifier::DIM),
                Role::Selected => plain.add_modifier(Modifier::REVERSED),
            },
        }
    }

    /// Returns a mark.
    pub(crate) const fn mark(self, mark: Mark) -> &'static str {
        match (self.glyphs, mark) {
            (Glyphs::Unicode, Mark::Over) => "▲",
            (Glyphs::Unicode, Mark::Good) => "✓",
            (Glyphs::Unicode, Mark::Bad) => "✗",
            (Glyphs::Unicode, Mark::Live) => "●",
            (Glyphs::Unicode, Mark::Lost) => "○",
            (Glyphs::Unicode, Mark::Frozen) => "‖",
            (Glyphs::Unicode, Mark::Selected) => "▸",
            (Glyphs::Unicode, Mark::Cursor) => "█",
            (Glyphs::Unicode, Mark::Rule) => "─",
            (Glyphs::Unicode, Mark::ActiveRule) => "━",
            (Glyphs::Unicode, Mark::Upright) => "│",
            (Glyphs::Unicode, Mark::Corners) => "┌┐└┘",
            (Glyphs::Ascii, Mark::Over) => "!",
            (Glyphs::Ascii, Mark::Good) => "+",
            (Glyphs::Ascii, Mark::Bad) => "x",
            (Glyphs::Ascii, Mark::Live) => "*",
            (Glyphs::Ascii, Mark::Lost) => "o",
            (Glyphs::Ascii, Mark::Frozen) => "#",
            (Glyphs::Ascii, Mark::Selected) => ">",
            (Glyphs::Ascii, Mark::Cursor) => "_",
            (Glyphs::Ascii, Mark::Rule) => "-",
            (Glyphs::Ascii, Mark::ActiveRule) => "=",
            (Glyphs::Ascii, Mark::Upright) => "|",
            (Glyphs::Ascii, Mark::Corners) => "++++",
        }
    }

    /// Returns the mark that goes with a level; an empty one where all is well.
    pub(crate) const fn level_mark(self, level: Level) -> &'static str {
        match level {
            Level::Good => " ",
            Level::Near | Level::Over => self.mark(Mark::Over),
        }
    }

    /// Returns the column that is `eighths` of a cell high, from the bottom.
    pub(crate) fn column(self, eighths: usize) -> char {
        let steps = match self.glyphs {
            Glyphs::Unicode => " ▁▂▃▄▅▆▇█",
            Glyphs::Ascii => " __..::##",
        };
        steps.chars().nth(eighths.min(8)).unwrap_or(' ')
    }

    /// Returns the bar that is `eighths` of a cell wide, from the left.
    pub(crate) fn bar(self, eighths: usize) -> char {
        let steps = match self.glyphs {
            Glyphs::Unicode => " ▏▎▍▌▋▊▉█",
            Glyphs::Ascii => "     ####",
        };
        steps.chars().nth(eighths.min(8)).unwrap_or(' ')
    }

    /// Returns what a character is drawn as.
    pub(crate) const fn glyph(self, char: char) -> char {
        match self.glyphs {
            Glyphs::Unicode => char,
            Glyphs::Ascii if char.is_ascii() => char,
            Glyphs::Ascii => match char {
                '…' => '~',
                '–' | '—' => '-',
                '≤' => '<',
                '·' => '.',
                '±' => '~',
                '←' => '<',
                _ => '?',
            },
        }
    }
}
