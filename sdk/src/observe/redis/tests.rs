//! A real Redis, whose own count of what it was sent is what ours has to be.

use std::collections::BTreeMap;
use std::time::Duration;

use perfdeck_tests::redis::Server;
use redis::aio::{ConnectionManager, MultiplexedConnection};
use redis::{
    AsyncCommands as _, AsyncConnectionConfig, Client, Commands as _, Connection, Script, cmd, pipe,
};

use super::*;
use crate::clock::Clock;
use crate::record::scope::{self, Scope};
use crate::record::store::{CommandRecord, Store};
use crate::record::table::OTHER;
use crate::record::trail::Kind;

/// A deck's eyes and what they have seen.
struct Seen {
    eyes: &'static Eyes,
    store: Store,
    second: u64,
}

/// What is known of a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Counts {
    calls: u64,
    errors: u64,
    timeouts: u64,
    given_up: u64,
    pipelined: u64,
    timed: u64,
}

impl Seen {
    fn new() -> Self {
        Self {
            eyes: Eyes::new(Clock::new()),
            store: Store::new(),
            second: 0,
        }
    }

    fn wrap<C>(&self, connection: C) -> Redis<C> {
        Redis::new(connection, Some(self.eyes), "cache")
    }

    /// What has been counted, by the word.
    fn counts(&mut self) -> BTreeMap<String, Counts> {
        self.second += 1;
        self.store.drain(self.eyes.recorder, self.second);
        let names = self.eyes.recorder.names();
        let counts = self.store.commands.iter().map(|(command, record)| {
            assert_eq!(&*names.connection_name(command.connection), "cache");
            (names.text(command.word).to_owned(), counts(record))
        });
        counts.collect()
    }

    fn check(&mut self, expected: &[(&str, Counts)]) {
        let expected = expected
            .iter()
            .map(|(word, counts)| ((*word).to_owned(), *counts));
        assert_eq!(self.counts(), expected.collect());
    }
}

fn counts(record: &CommandRecord) -> Counts {
    Counts {
        calls: record.calls,
        errors: record.errors,
        timeouts: record.timeouts,
        given_up: record.given_up,
        pipelined: record.batched,
        timed: record.timeline.minute().0.count(),
    }
}

/// Commands that went alone.
fn alone(calls: u64, errors: u64) -> Counts {
    Counts {
        calls,
        errors,
        timed: calls,
        ..Counts::default()
    }
}

/// Commands in round trips of several.
fn pipelined(calls: u64, errors: u64) -> Counts {
    Counts {
        calls,
        errors,
        pipelined: calls,
        ..Counts::default()
    }
}

fn client(server: &Server) -> Client {
    Client::open(server.url()).unwrap()
}

async fn multiplexed(server: &Server) -> MultiplexedConnection {
    let client = client(server);
    client.get_multiplexed_async_connection().await.unwrap()
}

fn blocking(server: &Server) -> Connection {
    client(server).get_connection().unwrap()
}

/// What the server counted of a word: executed, and refused or failed.
fn served(server: &Server, word: &str) -> (u64, u64) {
    let stats = server.ask(&["INFO", "commandstats"]).unwrap();
    let line = format!("cmdstat_{}:", word.to_lowercase());
    let Some(line) = stats.lines().find_map(|row| row.strip_prefix(&line)) else {
        return (0, 0);
    };
    let number = |name: &str| -> u64 {
        let fields = line.split(',').filter_map(|field| field.split_once('='));
        let mut values = fields.filter(|(field, _)| *field == name);
        values.next().unwrap().1.parse().unwrap()
    };
    let rejected = number("rejected_calls");
    (
        number("calls") + rejected,
        number("failed_calls") + rejected,
    )
}

#[tokio::test]
async fn commands_are_counted_as_the_server_counts_them() {
    let server = Server::start().unwrap();
    let mut seen = Seen::new();
    let mut connection = seen.wrap(multiplexed(&server).await);
    let mut again = connection.clone();
    for number in 0..3 {
        let _: () = connection.set(number, "text").await.unwrap();
        let _: Option<String> = again.get(number).await.unwrap();
    }
    let failed: RedisResult<u64> = connection.incr(0, 1).await;
    failed.unwrap_err();
    let _: Option<String> = connection.get("none").await.unwrap();
    // In a manager's hands it is the same.
    let mut manager = seen.wrap(ConnectionManager::new(client(&server)).await.unwrap());
    let _: u64 = manager.del(0).await.unwrap();
    seen.check(&[
        ("SET", alone(3, 0)),
        ("GET", alone(4, 0)),
        ("INCRBY", alone(1, 1)),
        ("DEL", alone(1, 0)),
    ]);
    assert_eq!(served(&server, "SET"), (3, 0));
    assert_eq!(served(&server, "GET"), (4, 0));
    assert_eq!(served(&server, "INCRBY"), (1, 1));
}

#[test]
fn a_synchronous_connection_is_counted_as_well() {
    let server = Server::start().unwrap();
    let mut seen = Seen::new();
    let mut connection = seen.wrap(blocking(&server));
    let _: () = connection.set("a", "text").unwrap();
    let text: String = connection.get("a").unwrap();
    assert_eq!(text, "text");
    let failed: RedisResult<u64> = connection.incr("a", 1);
    failed.unwrap_err();
    let packed = cmd("get").arg("a").get_packed_command();
    ConnectionLike::req_packed_command(&mut connection, &packed).unwrap();
    let answers: (String, u64) = pipe().get("a").del("a").query(&mut connection).unwrap();
    assert_eq!(answers, ("text".to_owned(), 1));
    assert!(connection.check_connection() && connection.is_open());
    seen.check(&[
        ("SET", alone(1, 0)),
        (
            "GET",
            Counts {
                calls: 3,
                pipelined: 1,
                timed: 2,
                ..Counts::default()
            },
        ),
        ("INCRBY", alone(1, 1)),
        ("DEL", pipelined(1, 0)),
        ("<pipeline>", alone(1, 0)),
    ]);
    assert_eq!(served(&server, "GET"), (3, 0));
}

#[tokio::test]
async fn a_pipeline_is_one_round_trip_of_so_many_commands() {
    let server = Server::start().unwrap();
    let mut seen = Seen::new();
    let mut connection = seen.wrap(multiplexed(&server).await);
    let mut many = pipe();
    many.set("a", 1).ignore();
    (0..500).for_each(|_| {
        many.get("a").ignore();
    });
    // A list's command on what is none fails, and the others go on.
    many.lpush("a", 1).ignore();
    let failed: RedisResult<()> = many.query_async(&mut connection).await;
    failed.unwrap_err();
    // What has no command is not sent.
    let empty: RedisResult<()> = pipe().query_async(&mut connection).await;
    empty.unwrap_err();
    seen.check(&[
        ("SET", pipelined(1, 0)),
        ("GET", pipelined(500, 0)),
        ("LPUSH", pipelined(1, 1)),
        ("<pipeline>", alone(1, 0)),
    ]);
    assert_eq!(served(&server, "GET"), (500, 0));
    assert_eq!(served(&server, "LPUSH"), (1, 1));
}

/// Sends a transaction that is executed, one of which a command fails, one that a watched key stops, and one that the server
/// refuses.
macro_rules! transactions {
    ($connection:expr, $other:expr, $ask:ident $(, $wait:ident)?) => {
        let _: () = pipe().atomic().set("a", "text").get("a").ignore()
            .$ask(&mut $connection)$(.$wait)?.unwrap();
        let failed: RedisResult<()> = pipe().atomic().incr("a", 1).get("a").ignore()
            .$ask(&mut $connection)$(.$wait)?;
        failed.unwrap_err();
        let _: () = cmd("WATCH").arg("a").$ask(&mut $connection)$(.$wait)?.unwrap();
        let _: () = cmd("SET").arg("a").arg("other").$ask(&mut $other)$(.$wait)?.unwrap();
        let stopped: Option<()> = pipe().atomic().get("a").ignore()
            .$ask(&mut $connection)$(.$wait)?.unwrap();
        assert_eq!(stopped, None);
        let refused: RedisResult<()> = pipe().atomic().get("a").cmd("GET")
            .$ask(&mut $connection)$(.$wait)?;
        refused.unwrap_err();
    };
}

/// What is counted of them.
fn of_transactions() -> [(&'static str, Counts); 7] {
    [
        ("MULTI", pipelined(4, 0)),
        ("SET", pipelined(1, 0)),
        // One was stopped with its transaction, one of two refused.
        ("GET", pipelined(5, 1)),
        ("INCRBY", pipelined(1, 1)),
        ("WATCH", alone(1, 0)),
        ("EXEC", pipelined(4, 1)),
        ("<transaction>", alone(4, 1)),
    ]
}

#[tokio::test]
async fn a_transaction_is_counted_with_what_opens_and_ends_it() {
    let server = Server::start().unwrap();
    let mut seen = Seen::new();
    let mut connection = seen.wrap(multiplexed(&server).await);
    let mut other = multiplexed(&server).await;
    transactions!(connection, other, query_async, await);
    seen.check(&of_transactions());
    assert_eq!(served(&server, "MULTI").0, 4);
    assert_eq!(served(&server, "EXEC"), (4, 1));
    assert_eq!(served(&server, "INCRBY"), (1, 1));
}

#[test]
fn a_synchronous_transaction_is_counted_the_same() {
    let server = Server::start().unwrap();
    let mut seen = Seen::new();
    let mut connection = seen.wrap(blocking(&server));
    let mut other = blocking(&server);
    transactions!(connection, other, query);
    seen.check(&of_transactions());
}

#[tokio::test]
async fn a_script_is_asked_for_by_its_hash_and_sent_once() {
    let server = Server::start().unwrap();
    let mut seen = Seen::new();
    let mut connection = seen.wrap(multiplexed(&server).await);
    let script = Script::new("return 7");
    for _ in 0..2 {
        let seven: u64 = script.invoke_async(&mut connection).await.unwrap();
        assert_eq!(seven, 7);
    }
    // The first time it is not there yet.
    seen.check(&[("EVALSHA", alone(3, 1)), ("SCRIPT", alone(1, 0))]);
}

#[tokio::test]
async fn a_server_that_is_gone_fails_all_that_it_is_sent() {
    let mut server = Server::start().unwrap();
    let mut seen = Seen::new();
    let mut connection = seen.wrap(multiplexed(&server).await);
    let mut blocking = seen.wrap(blocking(&server));
    let _: () = connection.set("a", 1).await.unwrap();
    server.stop();
    let failed: RedisResult<()> = connection.set("a", 1).await;
    failed.unwrap_err();
    let mut many = pipe();
    many.get("a").get("b").del("c");
    let failed: RedisResult<()> = many.query_async(&mut connection).await;
    failed.unwrap_err();
    let failed: RedisResult<()> = many.atomic().query(&mut blocking);
    failed.unwrap_err();
    let failed: RedisResult<()> = blocking.del("a");
    failed.unwrap_err();
    seen.check(&[
        ("SET", alone(2, 1)),
        ("GET", pipelined(4, 4)),
        (
            "DEL",
            Counts {
                calls: 3,
                errors: 3,
                pipelined: 2,
                timed: 1,
                ..Counts::default()
            },
        ),
        ("MULTI", pipelined(1, 1)),
        ("EXEC", pipelined(1, 1)),
        ("<pipeline>", alone(1, 1)),
        ("<transaction>", alone(1, 1)),
    ]);
}

#[tokio::test]
async fn what_is_not_waited_for_is_told_apart() {
    let server = Server::start().unwrap();
    let mut seen = Seen::new();
    let soon = Duration::from_millis(50);
    let config = AsyncConnectionConfig::new().set_response_timeout(Some(soon));
    let client = client(&server);
    let impatient = client.get_multiplexed_async_connection_with_config(&config);
    let mut impatient = seen.wrap(impatient.await.unwrap());
    // Nobody ever pushes.
    let late: RedisResult<Option<(String, String)>> = impatient.blpop("none", 0.0).await;
    assert!(late.unwrap_err().is_timeout());
    let mut many = pipe();
    many.blpop("none", 0.0).get("a");
    let late: RedisResult<()> = many.query_async(&mut impatient).await;
    assert!(late.unwrap_err().is_timeout());

    let config = AsyncConnectionConfig::new().set_response_timeout(None);
    let patient = client.get_multiplexed_async_connection_with_config(&config);
    let mut patient = seen.wrap(patient.await.unwrap());
    let waiting = patient.brpop::<_, Option<(String, String)>>("none", 0.0);
    tokio::time::timeout(soon, waiting).await.unwrap_err();
    // What is never polled is never sent.
    drop(patient.get::<_, Option<String>>("a"));

    let in_pipeline = Counts {
        timeouts: 1,
        ..pipelined(1, 1)
    };
    seen.check(&[
        (
            "BLPOP",
            Counts {
                calls: 2,
                errors: 2,
                timeouts: 2,
                pipelined: 1,
                timed: 1,
                ..Counts::default()
            },
        ),
        ("GET", in_pipeline),
        (
            "<pipeline>",
            Counts {
                timeouts: 1,
                ..alone(1, 1)
            },
        ),
        (
            "BRPOP",
            Counts {
                given_up: 1,
                ..alone(1, 0)
            },
        ),
    ]);
    let waited = seen.store.commands.iter().find(|(command, _)| {
        let word = seen.eyes.recorder.names().text(command.word);
        word == "BRPOP"
    });
    let (times, _) = waited.unwrap().1.timeline.minute();
    assert!(times.quantile(0.5) >= 0.049, "{}", times.quantile(0.5));
}

#[tokio::test]
async fn names_that_are_made_up_are_bounded_and_their_totals_right() {
    let server = Server::start().unwrap();
    let mut seen = Seen::new();
    let mut connection = seen.wrap(multiplexed(&server).await);
    let secret = "HUNTER2 secret";
    for hundred in 0..40 {
        let mut many = pipe();
        for number in 0..100 {
            let number = hundred * 100 + number;
            many.cmd(&format!("MADE.UP{number}")).arg("argument");
        }
        many.cmd(secret).cmd("").get("key");
        let _: RedisResult<()> = many.query_async(&mut connection).await;
    }
    let counts = seen.counts();
    assert!(counts.len() < 300, "{}", counts.len());
    assert_eq!(counts["GET"], pipelined(40, 0));
    assert_eq!(counts["<pipeline>"], alone(40, 0));
    let made_up = counts
        .iter()
        .filter(|(word, _)| word.starts_with("MADE.UP") || *word == OTHER);
    let sums = made_up.fold((0, 0), |(calls, errors), (_, counts)| {
        (calls + counts.calls, errors + counts.errors)
    });
    assert_eq!(sums, (4_080, 4_080));
    assert!(counts[OTHER].calls > 3_000);
    let told = format!("{counts:?}");
    assert!(!told.contains("secret") && !told.contains("argument") && !told.contains("key"));
}

#[tokio::test]
async fn a_command_is_a_step_of_the_request_that_it_runs_for() {
    let server = Server::start().unwrap();
    let seen = Seen::new();
    let mut connection = seen.wrap(multiplexed(&server).await);
    let mut scope = Scope::fresh();
    scope.begin(Default::default(), &seen.eyes.clock);
    let mut slot = Some(scope);
    let mut work = std::pin::pin!(async {
        let _: () = connection.set("a", "text").await.unwrap();
        let failed: RedisResult<u64> = connection.incr("a", 1).await;
        failed.unwrap_err();
        let both: (String, u64) = pipe()
            .get("a")
            .del("a")
            .query_async(&mut connection)
            .await
            .unwrap();
        assert_eq!(both, ("text".to_owned(), 1));
    });
    std::future::poll_fn(|cx| {
        let _lent = scope::lend(&mut slot);
        work.as_mut().poll(cx)
    })
    .await;
    let (steps, left_out) = slot.as_ref().unwrap().steps();
    let names = seen.eyes.recorder.names();
    let told: Vec<_> = steps
        .iter()
        .map(|step| {
            assert!(step.nanos() > 0);
            let command = Command::from_raw(step.what);
            (step.kind(), names.text(command.word))
        })
        .collect();
    let expected = [
        (Kind::Command, "SET"),
        (Kind::FailedCommand, "INCRBY"),
        (Kind::Command, "<pipeline>"),
    ];
    assert_eq!((told.as_slice(), left_out), (expected.as_slice(), 0));
}

#[tokio::test]
async fn a_deck_that_is_off_passes_all_through() {
    let server = Server::start().unwrap();
    let mut connection = Redis::new(multiplexed(&server).await, None, "cache");
    let _: () = connection.set("a", 1).await.unwrap();
    let answers: (u64, u64) = pipe()
        .get("a")
        .del("a")
        .query_async(&mut connection)
        .await
        .unwrap();
    assert_eq!(answers, (1, 1));
    let mut blocking = Redis::new(blocking(&server), None, "cache");
    let none: Option<u64> = blocking.get("a").unwrap();
    let moved: (Option<u64>,) = pipe().atomic().get("a").query(&mut blocking).unwrap();
    assert_eq!((none, moved), (None, (None,)));
    let _: Connection = blocking.into_inner();
}
