use std::pin::pin;
use std::task::{Context, Poll, Waker};

use super::*;
use crate::protocol::{Host, Queries, State, Timestamp};

fn update(state: State, at: u64) -> Arc<Update> {
    Arc::new(Update {
        at: Timestamp::from_micros(at),
        state,
        left_out: 0,
    })
}

fn status(at: u64) -> Arc<Update> {
    update(State::Status(Box::default()), at)
}

fn queries(at: u64) -> Arc<Update> {
    update(State::Queries(Queries::default()), at)
}

fn host(at: u64) -> Arc<Update> {
    update(State::Host(Host::default()), at)
}

/// Takes what is there without waiting: the topic and the time.
fn taken(follower: &mut Follower) -> Option<(Topic, u64)> {
    let mut next = pin!(follower.next());
    match next.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Some(published)) => {
            Some((published.update.state.topic(), published.update.at.micros()))
        }
        Poll::Ready(None) => panic!("the board is closed"),
        Poll::Pending => None,
    }
}

#[test]
fn a_follower_gets_the_present_state_and_each_new_one_once() {
    let board = Board::new();
    board.publish(status(1));
    let mut follower = board.follower(&[Topic::Status]);
    assert_eq!(taken(&mut follower), Some((Topic::Status, 1)));
    assert_eq!(taken(&mut follower), None);
    board.publish(queries(2));
    assert_eq!(taken(&mut follower), None, "it does not follow these");
    board.publish(status(3));
    assert_eq!(taken(&mut follower), Some((Topic::Status, 3)));
    assert_eq!(taken(&mut follower), None);
}

#[test]
fn a_lagging_follower_gets_the_newest_and_knows_what_it_missed() {
    let board = Board::new();
    for at in 1..=3 {
        board.publish(status(at));
    }
    let mut follower = board.follower(&[Topic::Status]);
    assert_eq!(taken(&mut follower), Some((Topic::Status, 3)));
    assert_eq!(
        follower.missed(),
        0,
        "what was before it came is not missed"
    );
    for at in 4..=8 {
        board.publish(status(at));
    }
    assert_eq!(taken(&mut follower), Some((Topic::Status, 8)));
    assert_eq!((follower.missed(), board.missed()), (4, 4));
    // Nor is what came while it did not follow.
    follower.follow(&[]);
    board.publish(status(9));
    board.publish(status(10));
    follower.follow(&[Topic::Status]);
    assert_eq!(taken(&mut follower), Some((Topic::Status, 10)));
    assert_eq!((follower.missed(), board.missed()), (4, 4));
}

#[test]
fn a_topic_followed_anew_comes_again() {
    let board = Board::new();
    board.publish(status(1));
    let mut follower = board.follower(&[Topic::Status]);
    assert_eq!(taken(&mut follower), Some((Topic::Status, 1)));
    follower.follow(&[Topic::Status, Topic::Host]);
    assert_eq!(taken(&mut follower), None, "it was followed all along");
    follower.follow(&[Topic::Host]);
    follower.follow(&[Topic::Status]);
    assert_eq!(taken(&mut follower), Some((Topic::Status, 1)));
}

#[test]
fn a_busy_topic_hides_no_other() {
    let board = Board::new();
    let mut follower = board.follower(&[Topic::Status, Topic::Queries, Topic::Host]);
    let mut seen = Vec::new();
    for at in 1..=4 {
        // All topics are new whenever the follower is ready for one.
        for update in [status(at), queries(at), host(at)] {
            board.publish(update);
        }
        seen.push(taken(&mut follower).unwrap().0);
    }
    assert_eq!(
        seen,
        [Topic::Status, Topic::Queries, Topic::Host, Topic::Status]
    );
}

#[test]
fn a_withdrawn_state_is_not_given_and_the_next_one_is() {
    let board = Board::new();
    board.publish(status(1));
    board.withdraw(Topic::Status);
    assert_eq!(board.latest(Topic::Status), None);
    let mut follower = board.follower(&[Topic::Status]);
    assert_eq!(taken(&mut follower), None);
    board.publish(status(2));
    assert_eq!(board.latest(Topic::Status), Some(status(2)));
    assert_eq!(taken(&mut follower), Some((Topic::Status, 2)));
    assert_eq!(follower.missed(), 0);
}

#[tokio::test]
async fn a_board_knows_what_is_followed() {
    let board = Board::new();
    let followed = || board.followed().collect::<Vec<_>>();
    assert_eq!(followed(), []);
    let mut first = board.follower(&[Topic::Host, Topic::Host]);
    board.interest().await;
    let second = board.follower(&[Topic::Host, Topic::Status]);
    board.interest().await;
    assert_eq!(followed(), [Topic::Status, Topic::Host]);
    drop(second);
    assert_eq!(followed(), [Topic::Host]);
    board.followed_changed().await;
    first.follow(&[]);
    board.followed_changed().await;
    assert_eq!(followed(), []);
}

#[tokio::test]
async fn a_waiting_follower_is_woken_by_a_state_and_by_the_end() {
    let board = Board::new();
    let mut follower = board.follower(&[Topic::Status]);
    let waiting = tokio::spawn(async move {
        let first = follower
            .next()
            .await
            .map(|published| published.update.at.micros());
        (first, follower.next().await.is_none())
    });
    tokio::task::yield_now().await;
    board.publish(status(1));
    tokio::task::yield_now().await;
    board.close();
    assert_eq!(waiting.await.unwrap(), (Some(1), true));
}

#[test]
fn a_state_is_encoded_once_for_all() {
    let board = Board::new();
    board.publish(status(1));
    let frame = |mut follower: Follower| {
        let mut next = pin!(follower.next());
        match next.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Some(published)) => published.frame().unwrap(),
            other => panic!("{other:?}"),
        }
    };
    let first = frame(board.follower(&[Topic::Status]));
    let second = frame(board.follower(&[Topic::Status]));
    assert_eq!(first.as_ptr(), second.as_ptr());
}

#[test]
fn a_frame_counts_for_as_long_as_anybody_has_it() {
    let board = Board::new();
    assert_eq!(board.bytes(), 0);
    let mut follower = board.follower(&[Topic::Status]);
    let mut frames = Vec::new();
    for at in 1..=3 {
        board.publish(status(at));
        let mut next = pin!(follower.next());
        match next.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Some(published)) => frames.push(published.frame().unwrap()),
            other => panic!("{other:?}"),
        }
    }
    let each = frames[0].len();
    assert_eq!(board.bytes(), (3 + STATE) * each);
    let sent = frames[1].split_to(5);
    frames.truncate(0);
    assert_eq!(board.bytes(), (2 + STATE) * each, "a viewer reads slowly");
    drop(sent);
    assert_eq!(board.bytes(), (1 + STATE) * each);
    board.withdraw(Topic::Status);
    assert_eq!(board.bytes(), 0);
}
