//! What is told of a route adds up, however many statements it runs.

use perfdeck_bridge::protocol::{Answer, Question, RouteDetail};

use super::time::by_hand;
use super::*;
use crate::agent::Agent;
use crate::clock::Hand;
use crate::record::scope::{self, Scope};
use crate::record::table::{Head, OTHER, Ran};

/// A request that runs each of these statements, and is kept whole since nobody waited for its answer.
pub(super) fn request(agent: &Agent, statements: impl Iterator<Item = u64>) {
    let recorder = agent.eyes.recorder;
    let route = recorder.route(&http::Method::GET, Some("/report"));
    recorder.request_started(&route);
    let mut scope = Some(Scope::fresh());
    if let Some(scope) = &mut scope {
        scope.progress.route = route.hash;
    }
    {
        let _lent = scope::lend(&mut scope);
        for statement in statements {
            let ran = Ran {
                nanos: 1_000,
                attributed: true,
                ..Ran::default()
            };
            recorder.query(&format!("SELECT a FROM t{statement}"), &ran);
        }
    }
    let head = Head::Answered {
        failed: false,
        nanos: 1_000_000,
    };
    if let Some(scope) = scope {
        recorder.request_end(Some(&head), None, &scope);
        scope.done();
    }
}

fn end_second(agent: &mut Agent, hand: &Hand) {
    hand.pass(Duration::from_secs(1));
    agent.second = agent.clock.now().0 / 1_000_000_000;
    agent.store.drain(agent.eyes.recorder, agent.second);
}

fn detail(agent: &Agent) -> RouteDetail {
    match agent.answer(&Question::Route("GET /report".into())) {
        Ok(Answer::Route(detail)) => detail,
        other => panic!("{other:?}"),
    }
}

#[test]
fn statements_beyond_those_told_apart_are_in_a_row_of_their_own() {
    let (mut agent, hand) = by_hand();
    // More than a request tells apart, and more than a route does.
    request(&agent, 0..12);
    for statement in 0..50 {
        request(&agent, std::iter::repeat_n(100 + statement, 3));
    }
    end_second(&mut agent, &hand);
    let told = detail(&agent).statements;
    let calls: u64 = told.iter().map(|row| row.calls).sum();
    assert_eq!(calls, 12 + 150);
    let others = told.last().filter(|row| row.text.as_str() == OTHER);
    assert!(
        others.is_some_and(|row| row.calls == 12 - 8 + 3 * 26),
        "{others:?}"
    );
    let shares: f64 = told.iter().map(|row| row.time_share).sum();
    assert!((shares - detail(&agent).row.query_share).abs() < 1e-9);
}

#[test]
fn a_path_that_is_new_is_listed_in_the_place_of_one_that_is_gone() {
    let (mut agent, hand) = by_hand();
    for statement in 0..40 {
        request(&agent, statement..statement + 1);
    }
    for _ in 0..70 {
        end_second(&mut agent, &hand);
    }
    request(&agent, std::iter::once(1_000));
    end_second(&mut agent, &hand);
    let told = detail(&agent).statements;
    let named = |text: &str| told.iter().any(|row| row.text.as_str().contains(text));
    assert!(named("t1000"), "{told:?}");
    let calls: u64 = told.iter().map(|row| row.calls).sum();
    assert_eq!(calls, 41);
}
