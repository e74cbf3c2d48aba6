//! How the model changes. Everything here is pure: the same model and message give the same model and effects.

use perfdeck_bridge::protocol::{ActReply, ActRequest, Answer, Question, Topic};

use crate::effect::Effect;
use crate::keymap::{self, Action, Key, Travel};
use crate::model::{Act, Data, Focus, Frozen, Link, Model, Notice};
use crate::msg::{LinkMsg, Msg};
use crate::screen::{Screen, Step};

/// The longest amount that is typed.
const LONGEST_AMOUNT: usize = 24;

/// Applies a message and returns what is to be done about it.
pub(crate) fn update(model: &mut Model, msg: Msg) -> Vec<Effect> {
    model.dirty = true;
    match msg {
        Msg::Tick(now) => {
            tick(model, now);
            Vec::new()
        }
        Msg::Key(key) => press(model, key),
        Msg::Paste(text) => {
            let typed = text.chars().filter(|char| !char.is_control());
            typed
                .flat_map(|char| type_in(model, Key::Char(char)))
                .collect()
        }
        Msg::Resized => Vec::new(),
        Msg::Hosts(hosts) => {
            model.focus = Focus::Picker { hosts, selected: 0 };
            Vec::new()
        }
        Msg::Link(link) => {
            relink(model, link);
            Vec::new()
        }
        Msg::Update(update) => {
            let topic = update.state.topic();
            model.live.keep(update);
            model.received = Some(model.now);
            if !matches!(model.link, Link::Recorded(_)) {
                model.link = Link::Live;
            }
            let again = if model.frozen.is_none() {
                model.screens.again(topic)
            } else {
                None
            };
            again.map(Effect::Ask).into_iter().collect()
        }
        Msg::Answered(question, answer) => answered(model, &question, answer),
        Msg::Acted(request, reply) => acted(model, &request, reply),
    }
}

/// Returns what a screen needs to be told: its own topic, and what the frame around it shows.
pub(crate) fn topics(screen: Screen) -> Vec<Topic> {
    let mut topics = vec![
        Topic::Status,
        Topic::Overview,
        Topic::Alerts,
        Topic::Advice,
        Topic::Ledger,
    ];
    if !topics.contains(&screen.topic()) {
        topics.push(screen.topic());
    }
    topics
}

fn tick(model: &mut Model, now: perfdeck_bridge::protocol::Timestamp) {
    // Whoever watches ages sees them in whole seconds.
    model.dirty = model.now.micros() / 1_000_000 != now.micros() / 1_000_000;
    model.now = now;
    if let (Link::Live, Some(received)) = (&model.link, model.received)
        && now.since(received) > Link::PATIENCE
    {
        model.link = Link::Stale { since: received };
        model.dirty = true;
    }
}

fn relink(model: &mut Model, link: LinkMsg) {
    match link {
        // While data is there, the word is how old it is, not each new call.
        LinkMsg::Connecting if model.received.is_none() => model.link = Link::Connecting,
        LinkMsg::Connecting => {}
        LinkMsg::Attached(hello) => {
            let before = model.hello.replace(*hello);
            let pid = model.hello.as_ref().map(|hello| hello.pid);
            if let (Some(before), Some(pid)) = (before, pid)
                && before.pid != pid
            {
                model.live = Data::default();
                model.notice = Some(Notice::good(format!("attached to the new process {pid}")));
            }
            model.received = None;
            model.link = Link::Connecting;
        }
        LinkMsg::Lost { reason, retry_at } => {
            model.link = Link::Lost { reason, retry_at };
            if let Focus::Act(Act::Asking | Act::Applying { .. }) = model.focus {
                let message = "The host is gone; its ledger will say what was done.".to_owned();
                model.focus = Focus::Act(Act::Refused { message });
            }
        }
        LinkMsg::Recorded(reel) => model.link = Link::Recorded(reel),
        LinkMsg::Unreadable(reason) => {
            if let Link::Recorded(reel) = &mut model.link {
                // What is shown stays, and another tick may be whole.
                reel.playing = false;
                model.notice = Some(Notice::bad(format!("that tick can't be read: {reason}")));
            } else {
                model.link = Link::Unreadable { reason };
            }
        }
        LinkMsg::Incompatible { theirs, ours } => model.link = Link::Incompatible { theirs, ours },
    }
}

fn answered(model: &mut Model, question: &Question, answer: Result<Answer, String>) -> Vec<Effect> {
    let requests = &mut model.screens.requests;
    let mut steps = Vec::new();
    match (question, answer) {
        (Question::Route(route), Ok(Answer::Route(detail))) => {
            requests.answer(route, Ok(detail));
        }
        (Question::Route(route), Err(error)) => requests.answer(route, Err(error)),
        (Question::Exemplars(route), Ok(Answer::Exemplars(kept))) => {
            steps = requests.listed(route, Ok(kept));
        }
        (Question::Exemplars(route), Err(error)) => steps = requests.listed(route, Err(error)),
        (Question::Exemplar(which), Ok(Answer::Exemplar(kept))) => requests.kept(which, Ok(kept)),
        (Question::Exemplar(which), Err(error)) => requests.kept(which, Err(error)),
        (Question::Query(id), Ok(Answer::Query(detail))) => {
            model.screens.queries.answer(&id.0, Ok(detail));
        }
        (Question::Query(id), Err(error)) => model.screens.queries.answer(&id.0, Err(error)),
        _ => {}
    }
    steps
        .into_iter()
        .flat_map(|step| take(model, step))
        .collect()
}

fn acted(model: &mut Model, request: &ActRequest, reply: Result<ActReply, String>) -> Vec<Effect> {
    let Focus::Act(act) = &model.focus else {
        // The user did not wait; what was done is in the ledger.
        if let (ActRequest::Apply(_), Err(message)) = (request, reply) {
            model.notice = Some(Notice::bad(message));
        }
        return Vec::new();
    };
    match (act, request, reply) {
        (Act::Asking, ActRequest::Preview(_), Ok(ActReply::Preview(preview))) => {
            let preview = Box::new(preview);
            model.focus = Focus::Act(Act::Deciding {
                preview,
                typed: String::new(),
            });
            Vec::new()
        }
        (Act::Applying { preview }, ActRequest::Apply(plan), Ok(ActReply::Applied(row)))
            if preview.plan_id == *plan =>
        {
            model.focus = Focus::Screen;
            model.notice = Some(Notice::begun(&row));
            model.screens.ledger.list.select(row.id.to_string());
            go(model, Screen::Ledger)
        }
        (_, _, Err(message)) => {
            model.focus = Focus::Act(Act::Refused { message });
            Vec::new()
        }
        _ => Vec::new(),
    }
}

fn press(model: &mut Model, key: Key) -> Vec<Effect> {
    if key == Key::Ctrl('c') {
        return vec![Effect::Quit];
    }
    model.notice = None;
    match &mut model.focus {
        Focus::Screen => match keymap::action(key, model.screen) {
            Some(action) => on_action(model, action),
            None => Vec::new(),
        },
        Focus::Filter | Focus::Act(_) => type_in(model, key),
        Focus::Help { scroll } => {
            match keymap::action(key, model.screen) {
                Some(Action::Down) => *scroll = scroll.saturating_add(1),
                Some(Action::Up) => *scroll = scroll.saturating_sub(1),
                Some(Action::Quit) => return vec![Effect::Quit],
                _ => model.focus = Focus::Screen,
            }
            Vec::new()
        }
        Focus::Picker { hosts, selected } => match keymap::action(key, Screen::Overview) {
            Some(Action::Down) => {
                *selected = (*selected + 1).min(hosts.len().saturating_sub(1));
                Vec::new()
            }
            Some(Action::Up) => {
                *selected = selected.saturating_sub(1);
                Vec::new()
            }
            Some(Action::Open) => {
                let chosen = hosts.get(*selected).cloned();
                model.focus = Focus::Screen;
                chosen.map(Effect::Attach).into_iter().collect()
            }
            Some(Action::Quit | Action::Back) => vec![Effect::Quit],
            _ => Vec::new(),
        },
    }
}

fn on_action(model: &mut Model, action: Action) -> Vec<Effect> {
    match action {
        Action::Quit => vec![Effect::Quit],
        Action::Help => {
            model.focus = Focus::Help { scroll: 0 };
            Vec::new()
        }
        Action::Show(screen) => go(model, screen),
        Action::NextScreen => go(model, model.screen.step(1)),
        Action::PreviousScreen => go(model, model.screen.step(Screen::ALL.len() - 1)),
        Action::Filter => {
            model.focus = Focus::Filter;
            Vec::new()
        }
        Action::Freeze if matches!(model.link, Link::Recorded(_)) => {
            vec![Effect::Travel(Travel::Play)]
        }
        Action::Travel(travel) if matches!(model.link, Link::Recorded(_)) => {
            vec![Effect::Travel(travel)]
        }
        Action::Travel(_) => {
            let word = "this is the present; perfdeck replay FILE shows a recording's past";
            model.notice = Some(Notice::bad(word));
            Vec::new()
        }
        Action::Freeze => {
            model.frozen = match model.frozen {
                Some(_) => None,
                None => Some(Frozen {
                    data: model.live.clone(),
                    at: model.host_now(),
                }),
            };
            Vec::new()
        }
        action => {
            let data = model
                .frozen
                .as_ref()
                .map_or(&model.live, |frozen| &frozen.data);
            let steps = model.screens.on_action(model.screen, action, data);
            steps
                .into_iter()
                .flat_map(|step| take(model, step))
                .collect()
        }
    }
}

fn take(model: &mut Model, step: Step) -> Vec<Effect> {
    match step {
        Step::Ask(question) => vec![Effect::Ask(question)],
        Step::Preview(intent) => {
            model.focus = Focus::Act(Act::Asking);
            vec![Effect::Act(ActRequest::Preview(intent))]
        }
        Step::Wish(wish) => {
            let (typed, problem) = (String::new(), None);
            model.focus = Focus::Act(Act::Wishing {
                wish,
                typed,
                problem,
            });
            Vec::new()
        }
        Step::Go(screen) => go(model, screen),
        Step::OpenRoute(route) => {
            let mut effects = go(model, Screen::Requests);
            effects.push(Effect::Ask(model.screens.requests.open(route)));
            effects
        }
        Step::Say(text) => {
            model.notice = Some(Notice::bad(text));
            Vec::new()
        }
    }
}

fn go(model: &mut Model, screen: Screen) -> Vec<Effect> {
    model.screen = screen;
    vec![Effect::Follow(topics(screen))]
}

/// Hands a key to what is being typed.
fn type_in(model: &mut Model, key: Key) -> Vec<Effect> {
    match &mut model.focus {
        Focus::Filter => {
            let list = model.screens.list_mut(model.screen);
            match key {
                Key::Char(char) => list.filter_mut().push(char),
                Key::Backspace => {
                    list.filter_mut().pop();
                }
                Key::Esc => {
                    list.filter_mut().clear();
                    model.focus = Focus::Screen;
                }
                Key::Enter => model.focus = Focus::Screen,
                _ => {}
            }
            Vec::new()
        }
        Focus::Act(_) => decide(model, key),
        Focus::Screen | Focus::Help { .. } | Focus::Picker { .. } => Vec::new(),
    }
}

fn decide(model: &mut Model, key: Key) -> Vec<Effect> {
    let host_now = model.host_now();
    let allows = model
        .hello
        .as_ref()
        .map(|hello| hello.allows.clone())
        .unwrap_or_default();
    let Focus::Act(act) = &mut model.focus else {
        return Vec::new();
    };
    match (act, key) {
        (_, Key::Esc) | (Act::Refused { .. }, Key::Enter | Key::Char('q')) => {
            model.focus = Focus::Screen;
            Vec::new()
        }
        (
            Act::Wishing {
                wish,
                typed,
                problem,
            },
            key,
        ) => match (key, wish.intent(typed)) {
            (Key::Enter, Ok(intent)) => {
                model.focus = Focus::Act(Act::Asking);
                vec![Effect::Act(ActRequest::Preview(intent))]
            }
            (Key::Enter, Err(wrong)) => {
                *problem = Some(wrong);
                Vec::new()
            }
            (key, _) => {
                *problem = None;
                match key {
                    Key::Char(char) if typed.len() < LONGEST_AMOUNT => typed.push(char),
                    Key::Backspace => drop(typed.pop()),
                    _ => {}
                }
                Vec::new()
            }
        },
        (Act::Deciding { preview, typed }, Key::Enter) => {
            let confirmed = preview.confirm.as_ref().is_none_or(|word| word == typed);
            if !confirmed || !allows.contains(&preview.risk) || host_now >= preview.expires_at {
                return Vec::new();
            }
            let plan = preview.plan_id.clone();
            model.focus = Focus::Act(Act::Applying {
                preview: preview.clone(),
            });
            vec![Effect::Act(ActRequest::Apply(plan))]
        }
        (Act::Deciding { preview, typed }, Key::Char(char)) if preview.confirm.is_some() => {
            typed.push(char);
            Vec::new()
        }
        (Act::Deciding { typed, .. }, Key::Backspace) => {
            typed.pop();
            Vec::new()
        }
        _ => Vec::new(),
    }
}
