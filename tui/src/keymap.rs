//! What each key does: data that the update, the footer and the help all read.

use crate::screen::Screen;

/// A key, as the terminal's dialects agree on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Key {
    Char(char),
    Ctrl(char),
    Enter,
    Esc,
    Tab,
    BackTab,
    Backspace,
    Up,
    Down,
    Left,
    Right,
    PageUp,
    PageDown,
    Home,
    End,
}

impl Key {
    /// Returns what a person calls it.
    pub(crate) fn name(self) -> String {
        match self {
            Self::Char(' ') => "space".to_owned(),
            Self::Char(char) => char.to_string(),
            Self::Ctrl(char) => format!("ctrl-{char}"),
            Self::Enter => "enter".to_owned(),
            Self::Esc => "esc".to_owned(),
            Self::Tab => "tab".to_owned(),
            Self::BackTab => "shift-tab".to_owned(),
            Self::Backspace => "backspace".to_owned(),
            Self::Up => "up".to_owned(),
            Self::Down => "down".to_owned(),
            Self::Left => "left".to_owned(),
            Self::Right => "right".to_owned(),
            Self::PageUp => "page-up".to_owned(),
            Self::PageDown => "page-down".to_owned(),
            Self::Home => "home".to_owned(),
            Self::End => "end".to_owned(),
        }
    }
}

/// What a key asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    Show(Screen),
    NextScreen,
    PreviousScreen,
    Down,
    Up,
    PageDown,
    PageUp,
    Top,
    Bottom,
    Open,
    Back,
    Filter,
    Sort,
    Freeze,
    Travel(Travel),
    Act,
    Undo,
    Clear,
    Resize,
    Ttl,
    Warm,
    Optimize,
    Percentile,
    Help,
    Quit,
}

impl Action {
    /// Tells whether it asks the host to do something.
    pub(crate) const fn changes_the_host(self) -> bool {
        matches!(
            self,
            Self::Act
                | Self::Undo
                | Self::Clear
                | Self::Resize
                | Self::Ttl
                | Self::Warm
                | Self::Optimize
        )
    }
}

/// A way through the time of a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Travel {
    Earlier,
    Later,
    MinuteEarlier,
    MinuteLater,
    /// Go on by itself, a tick a second, or stop.
    Play,
}

/// An action with its keys.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Binding {
    pub(crate) action: Action,
    pub(crate) keys: &'static [Key],
    /// The screens where it works; empty for all.
    pub(crate) screens: &'static [Screen],
    /// One word for the footer; empty where it is not told there.
    pub(crate) short: &'static str,
    /// One line for the help.
    pub(crate) long: &'static str,
}

/// Every binding, in the order of the help; each action once.
pub(crate) const BINDINGS: &[Binding] = &[
    show(Screen::Overview, &[Key::Char('1')], "what is slow, and why"),
    show(Screen::Requests, &[Key::Char('2')], "what users wait for"),
    show(
        Screen::Queries,
        &[Key::Char('3')],
        "what the database is asked",
    ),
    show(Screen::Caches, &[Key::Char('4')], "what the caches save"),
    show(
        Screen::Database,
        &[Key::Char('5')],
        "the pools, and how the databases are",
    ),
    show(Screen::Alerts, &[Key::Char('6')], "what is over its limit"),
    show(
        Screen::Advice,
        &[Key::Char('7')],
        "what would help, and how much",
    ),
    show(
        Screen::Ledger,
        &[Key::Char('8')],
        "what was done, and did it help",
    ),
    show(
        Screen::Host,
        &[Key::Char('9')],
        "the pools, and the service's own numbers",
    ),
    show(
        Screen::Doctor,
        &[Key::Char('0')],
        "what can't be seen, and the fix",
    ),
    everywhere(Action::NextScreen, &[Key::Tab], "", "the next screen"),
    everywhere(
        Action::PreviousScreen,
        &[Key::BackTab],
        "",
        "the screen before",
    ),
    everywhere(
        Action::Down,
        &[Key::Char('j'), Key::Down],
        "",
        "one row down",
    ),
    everywhere(Action::Up, &[Key::Char('k'), Key::Up], "", "one row up"),
    everywhere(
        Action::PageDown,
        &[Key::PageDown, Key::Ctrl('d')],
        "",
        "ten rows down",
    ),
    everywhere(
        Action::PageUp,
        &[Key::PageUp, Key::Ctrl('u')],
        "",
        "ten rows up",
    ),
    everywhere(
        Action::Top,
        &[Key::Char('g'), Key::Home],
        "",
        "the first row",
    ),
    everywhere(
        Action::Bottom,
        &[Key::Char('G'), Key::End],
        "",
        "the last row",
    ),
    everywhere(
        Action::Open,
        &[Key::Enter],
        "open",
        "the evidence of the row",
    ),
    everywhere(
        Action::Back,
        &[Key::Esc],
        "",
        "close, leave, clear the filter",
    ),
    Binding {
        action: Action::Act,
        keys: &[Key::Char('a')],
        screens: &[Screen::Overview, Screen::Advice],
        short: "act",
        long: "preview the remedy, then apply it",
    },
    Binding {
        action: Action::Clear,
        keys: &[Key::Char('c')],
        screens: &[Screen::Caches],
        short: "clear",
        long: "preview clearing the cache, then clear it",
    },
    Binding {
        action: Action::Resize,
        keys: &[Key::Char('r')],
        screens: &[Screen::Caches],
        short: "",
        long: "let the cache hold more or less",
    },
    Binding {
        action: Action::Ttl,
        keys: &[Key::Char('t')],
        screens: &[Screen::Caches],
        short: "",
        long: "let its entries be fresh for another time",
    },
    Binding {
        action: Action::Warm,
        keys: &[Key::Char('w')],
        screens: &[Screen::Caches],
        short: "",
        long: "load its most used keys that it lacks",
    },
    Binding {
        action: Action::Optimize,
        keys: &[Key::Char('o')],
        screens: &[Screen::Caches],
        short: "",
        long: "move capacity to where it saves most",
    },
    Binding {
        action: Action::Undo,
        keys: &[Key::Char('u')],
        screens: &[Screen::Caches, Screen::Ledger],
        short: "undo",
        long: "preview taking it back, then undo it",
    },
    Binding {
        action: Action::Percentile,
        keys: &[Key::Char('p')],
        screens: &[Screen::Requests],
        short: "real p95",
        long: "a real request of the p95, the max, the p50",
    },
    everywhere(
        Action::Filter,
        &[Key::Char('/')],
        "filter",
        "only the rows that hold a text",
    ),
    everywhere(
        Action::Sort,
        &[Key::Char('s')],
        "sort",
        "by the next column",
    ),
    everywhere(
        Action::Freeze,
        &[Key::Char(' ')],
        "freeze",
        "hold the view still, and go on",
    ),
    travel(Travel::Earlier, &[Key::Left], "in a recording: a tick back"),
    travel(
        Travel::Later,
        &[Key::Right],
        "in a recording: a tick forward",
    ),
    travel(
        Travel::MinuteEarlier,
        &[Key::Char('[')],
        "in a recording: a minute back",
    ),
    travel(
        Travel::MinuteLater,
        &[Key::Char(']')],
        "in a recording: a minute forward",
    ),
    everywhere(Action::Help, &[Key::Char('?')], "help", "these keys"),
    everywhere(
        Action::Quit,
        &[Key::Char('q'), Key::Ctrl('c')],
        "quit",
        "leave; the service goes on",
    ),
];

const fn show(screen: Screen, keys: &'static [Key], long: &'static str) -> Binding {
    Binding {
        action: Action::Show(screen),
        keys,
        screens: &[],
        short: "",
        long,
    }
}

const fn travel(travel: Travel, keys: &'static [Key], long: &'static str) -> Binding {
    everywhere(Action::Travel(travel), keys, "", long)
}

const fn everywhere(
    action: Action,
    keys: &'static [Key],
    short: &'static str,
    long: &'static str,
) -> Binding {
    Binding {
        action,
        keys,
        screens: &[],
        short,
        long,
    }
}

impl Binding {
    /// Tells whether the binding works on a screen.
    pub(crate) fn works_on(&self, screen: Screen) -> bool {
        self.screens.is_empty() || self.screens.contains(&screen)
    }
}

/// Returns what a key does on a screen.
pub(crate) fn action(key: Key, screen: Screen) -> Option<Action> {
    BINDINGS
        .iter()
        .find(|binding| binding.works_on(screen) && binding.keys.contains(&key))
        .map(|binding| binding.action)
}

/// Tells whether a key of this name asks the host to do something.
pub(crate) fn changes_the_host(name: &str) -> bool {
    let named = |binding: &&Binding| binding.keys.iter().any(|key| key.name() == name);
    let mut bindings = BINDINGS.iter().filter(named);
    bindings.any(|binding| binding.action.changes_the_host())
}

/// Returns the keys that the footer tells of; in a recording nothing can be done.
pub(crate) fn footer(
    screen: Screen,
    recorded: bool,
) -> impl Iterator<Item = (String, &'static str)> {
    BINDINGS
        .iter()
        .filter(move |binding| !binding.short.is_empty() && binding.works_on(screen))
        .filter(move |binding| !(recorded && binding.action.changes_the_host()))
        .filter_map(|binding| Some((binding.keys.first()?.name(), binding.short)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_action_is_bound_once() {
        for (place, binding) in BINDINGS.iter().enumerate() {
            let again = BINDINGS
                .iter()
                .skip(place + 1)
                .any(|other| other.action == binding.action);
            assert!(!again, "{:?} is bound twice", binding.action);
            assert!(!binding.keys.is_empty() && !binding.long.is_empty());
        }
    }

    #[test]
    fn no_key_means_two_things_on_a_screen() {
        for screen in Screen::ALL {
            let here = BINDINGS.iter().filter(|binding| binding.works_on(screen));
            let keys: Vec<Key> = here.flat_map(|binding| binding.keys).copied().collect();
            for key in &keys {
                assert_eq!(
                    keys.iter().filter(|other| *other == key).count(),
                    1,
                    "{key:?}"
                );
            }
        }
    }

    #[test]
    fn each_screen_is_shown_by_its_number() {
        for screen in Screen::ALL {
            let digit = char::from_digit(screen.number().into(), 10).unwrap();
            assert_eq!(
                action(Key::Char(digit), Screen::Overview),
                Some(Action::Show(screen))
            );
        }
    }
}
