//! Time that jumps: an agent whose clock a test moves, tick by tick.

use std::collections::BTreeMap;
use std::sync::Arc;

use perfdeck_bridge::board::Board;
use perfdeck_bridge::protocol::{
    AlertState, Hello, PROTOCOL_VERSION, RefusalCode, Role, Timestamp,
};
use perfdeck_bridge::server::{Stats, ViewerId};
use tokio::sync::mpsc;

use super::*;
use crate::act::ledger::Ledger;
use crate::act::{Draft, Plans};
use crate::agent::budget::Limits;
use crate::agent::{Agent, COMMANDS, Parts};
use crate::clock::{Clock, Hand};
use crate::observe::Eyes;
use crate::pools::Pools;
use crate::record::store::Store;

const DAY: Duration = Duration::from_secs(86_400);
const EACH_SECOND: u64 = 10;

struct Bench {
    agent: Agent,
    hand: Hand,
    service: HttpService<Answers>,
    /// When the alert about failed requests began and fired, by the deck's clock.
    alerts: BTreeMap<Timestamp, Timestamp>,
    last: Timestamp,
    sent: u64,
}

/// An agent that ticks when it is told to, on a clock that a test moves.
pub(super) fn by_hand() -> (Agent, Hand) {
    let (clock, hand) = Clock::manual();
    let hello = Hello {
        protocol: PROTOCOL_VERSION,
        service: "by hand".into(),
        version: None,
        pid: 1,
        started_at: clock.timestamp(clock.now()),
        sdk: String::new(),
        role: Role::Observe,
        allows: Vec::new(),
    };
    let eyes = Eyes::new(clock);
    let (_, commands) = mpsc::channel(COMMANDS);
    let agent = Agent::new(Parts {
        hello,
        eyes,
        pools: Arc::new(Pools::default()),
        #[cfg(feature = "cache")]
        caches: crate::cache::Caches::new(true),
        board: Board::new(),
        stats: Arc::new(Stats::default()),
        ledger: Ledger::default(),
        store: Store::new(),
        limits: Arc::default(),
        budget: Limits::default(),
        first_deck: true,
        #[cfg(feature = "recording")]
        recording: None,
        deaths: 0,
        panics: 0,
        commands,
    });
    (agent, hand)
}

impl Bench {
    fn new() -> Self {
        let (agent, hand) = by_hand();
        let layer = HttpLayer::new(Some(agent.eyes)).template(|_, _| Some("/"));
        Self {
            last: agent.now(),
            agent,
            hand,
            service: layer.layer(Answers(StatusCode::INTERNAL_SERVER_ERROR)),
            alerts: BTreeMap::new(),
            sent: 0,
        }
    }

    /// Lets a second pass with its requests of 20 ms, and looks at what is told after it.
    fn second(&mut self) {
        for _ in 0..EACH_SECOND {
            self.request(|hand| hand.pass(Duration::from_millis(20)));
            self.hand.pass(Duration::from_millis(80));
        }
        self.tick();
    }

    fn request(&mut self, meanwhile: impl FnOnce(&Hand)) {
        let mut answering = pin!(self.service.call(Request::new(())));
        meanwhile(&self.hand);
        let polled = answering
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()));
        assert!(matches!(polled, Poll::Ready(Ok(_))));
        self.sent += 1;
    }

    fn tick(&mut self) {
        self.agent.tick();
        assert_eq!(self.agent.panics, 0);
        assert!(self.agent.now() >= self.last, "told time went back");
        self.last = self.agent.now();
        let requests = self.requests();
        assert_eq!(requests.requests, self.sent, "history is kept");
        let window = &self.agent.window;
        for number in [
            window.requests_per_second,
            window.p95_seconds,
            window.error_ratio(),
        ] {
            assert!(number.is_finite() && number >= 0.0, "{window:?}");
        }
        for alert in &self.agent.verdicts.alerts {
            if alert.rule == "error_rate" && alert.state == AlertState::Firing {
                self.alerts.entry(alert.since).or_insert(self.last);
            }
        }
    }

    fn requests(&self) -> Requests {
        match crate::publish::state(&self.agent, Topic::Requests) {
            State::Requests(requests) => requests,
            other => panic!("{other:?}"),
        }
    }

    fn jumped(&self) -> bool {
        match crate::publish::state(&self.agent, Topic::Status) {
            State::Status(status) => kinds(&status).contains(&"clock_jump"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn promise_32_time_jumps_of_the_wall_clock_change_nothing_but_a_note() {
    let (mut steady, mut jumping) = (Bench::new(), Bench::new());
    for second in 0..70 {
        // A day ahead, back again, and a day behind.
        match second {
            5 => jumping.hand.set_wall(86_400),
            20 => jumping.hand.set_wall(0),
            40 => jumping.hand.set_wall(-86_400),
            _ => {}
        }
        steady.second();
        jumping.second();
        assert_eq!(
            format!("{:?}", jumping.requests()),
            format!("{:?}", steady.requests())
        );
    }
    assert_eq!((steady.jumped(), jumping.jumped()), (false, true));
    assert_eq!(steady.alerts.len(), 1, "{:?}", steady.alerts);
    assert_eq!(
        jumping.alerts, steady.alerts,
        "an alert held for another time"
    );
}

#[test]
fn promise_32_time_jumps_of_the_counter_as_after_a_suspension_lose_nothing() {
    let mut bench = Bench::new();
    (0..30).for_each(|_| bench.second());
    let mut plans = Plans::default();
    let (made_at, told) = (bench.agent.clock.now(), bench.agent.now());
    let mut plan = || plans.make(Draft::sample("reports"), ViewerId(1), made_at, told);
    let (first, second) = (plan().plan_id, plan().plan_id);
    bench.second();
    let taken = plans.take(&first, ViewerId(1), bench.agent.clock.now());
    assert!(taken.is_ok(), "{taken:?}");

    // Asleep for a day, with a request under way.
    bench.request(|hand| hand.pass(DAY));
    bench.tick();
    let refused = plans.take(&second, ViewerId(1), bench.agent.clock.now());
    assert!(
        matches!(&refused, Err(refusal) if refusal.code == RefusalCode::Expired),
        "{refused:?}"
    );
    let requests = bench.requests();
    let row = requests.routes.first().expect("the route is still told");
    assert_eq!((requests.routes.len(), row.route.as_str()), (1, "GET /"));
    (0..70).for_each(|_| bench.second());
    assert!(bench.agent.window.p95_seconds < 0.1, "the day is over");

    // Another processor's counter is a little behind: nothing took less than no time.
    bench.request(|hand| hand.take_back(Duration::from_millis(5)));
    (0..3).for_each(|_| bench.second());
    assert!(bench.agent.window.p95_seconds < 0.1);
}
