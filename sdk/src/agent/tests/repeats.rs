//! Requests that repeat statements, each labelled with what it is, through the layer, the record and the rules.

use std::cell::RefCell;
use std::future::Future;
use std::rc::Rc;

use super::time::by_hand;
use super::*;
use crate::agent::Agent;
use crate::clock::Hand;
use crate::record::scope;
use crate::record::table::Ran;

/// What a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Label {
    NPlusOne,
    Repeated,
    Neither,
}

/// One statement of a request.
#[derive(Debug, Clone, Copy)]
struct Step {
    text: &'static str,
    /// What is bound; `None` where nobody sees it.
    values: Option<u64>,
    rows: u64,
    micros: u64,
    failed: bool,
    /// Whether the next begins before it has ended.
    beside: bool,
}

/// A request, by its number among those of its kind.
struct Trace {
    name: &'static str,
    label: Label,
    steps: Box<dyn Fn(u64) -> Vec<Step>>,
    /// What the handler takes beside its statements.
    own_micros: u64,
    /// Whether it runs for a request.
    in_request: bool,
}

const REQUESTS: u64 = 40;

const LIST: &str = "SELECT id, author FROM posts ORDER BY created_at DESC LIMIT 50";
const BY_KEY: &str = "SELECT name FROM authors WHERE id = $1";
const CHILDREN: &str = "SELECT id, body FROM comments WHERE post = $1 ORDER BY id";
const LATEST: &str = "SELECT body FROM messages WHERE session = $1 ORDER BY sent_at DESC LIMIT 1";
const SINCE: &str =
    "SELECT body FROM messages WHERE session = $1 AND sent_at > $2 ORDER BY sent_at LIMIT 3";
const JOINED: &str = "SELECT t.name FROM tags t JOIN post_tags p ON p.tag = t.id WHERE p.post = $1";
const COUNTED: &str = "SELECT count(*) FROM likes WHERE post = $1";
const COMPOSITE: &str = "SELECT role FROM members WHERE workspace = $1 AND person = $2";
const COMMON: &str =
    "WITH recent AS (SELECT * FROM events WHERE person = $1) SELECT count(*) FROM recent";
const LITE: &str = "select name from authors where id = ?";
const OFFSET: &str = "SELECT id FROM posts WHERE workspace = $1 ORDER BY id LIMIT 100 OFFSET $2";
const KEYSET: &str = "SELECT id FROM posts WHERE workspace = $1 AND id > $2 ORDER BY id LIMIT 100";
const PAGES: &str = "SELECT id FROM posts ORDER BY id LIMIT 500 OFFSET $1";
const FETCHED: &str =
    "SELECT id FROM posts WHERE blog = $1 AND id < $2 ORDER BY id DESC FETCH FIRST 50 ROWS ONLY";
const CHUNKS: &str = "SELECT name FROM authors WHERE tenant = $1 AND id IN ($2, $3, $4, $5)";
const ARRAYS: &str = "SELECT name FROM authors WHERE tenant = $1 AND id = ANY($2)";
const SETTING: &str = "SELECT value FROM settings WHERE name = $1";
const SESSION: &str = "SELECT person FROM sessions WHERE token = $1";
const NOW: &str = "SELECT version FROM schema_state";
const WRITE: &str = "INSERT INTO audit (what, who) VALUES ($1, $2)";
const UPDATE: &str = "UPDATE posts SET seen = seen + 1 WHERE id = $1";
const OTHERS: [&str; 8] = [
    "SELECT a FROM a WHERE id = $1",
    "SELECT b FROM b WHERE id = $1",
    "SELECT c FROM c WHERE id = $1",
    "SELECT d FROM d WHERE id = $1",
    "SELECT e FROM e WHERE id = $1",
    "SELECT f FROM f WHERE id = $1",
    "SELECT g FROM g WHERE id = $1",
    "SELECT h FROM h WHERE id = $1",
];

fn step(text: &'static str, values: u64, rows: u64, micros: u64) -> Step {
    Step {
        text,
        values: Some(values),
        rows,
        micros,
        failed: false,
        beside: false,
    }
}

/// A list, and for each of its rows the statements.
fn over(rows: u64, each: impl Fn(u64) -> Vec<Step>) -> Vec<Step> {
    let list = step(LIST, 0, rows, 900);
    std::iter::once(list)
        .chain((0..rows).flat_map(each))
        .collect()
}

fn trace(name: &'static str, label: Label, steps: impl Fn(u64) -> Vec<Step> + 'static) -> Trace {
    Trace {
        name,
        label,
        steps: Box::new(steps),
        own_micros: 2_000,
        in_request: true,
    }
}

/// A number that looks random, the same in every run.
fn mixed(number: u64) -> u64 {
    let mixed = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 32
}

fn loops() -> Vec<Trace> {
    let loops = |name, steps: fn(u64) -> Vec<Step>| trace(name, Label::NPlusOne, steps);
    vec![
        loops("five rows, one look-up each", |_| {
            over(5, |row| vec![step(BY_KEY, row, 1, 900)])
        }),
        loops("six rows", |_| {
            over(6, |row| vec![step(BY_KEY, row, 1, 700)])
        }),
        loops("eight rows", |_| {
            over(8, |row| vec![step(BY_KEY, row, 1, 500)])
        }),
        loops("ten rows with children", |_| {
            over(10, |row| vec![step(CHILDREN, row, 12, 600)])
        }),
        loops("twenty rows", |_| {
            over(20, |row| vec![step(BY_KEY, row, 1, 400)])
        }),
        loops("fifty rows", |_| {
            over(50, |row| vec![step(BY_KEY, row, 1, 300)])
        }),
        loops("a hundred and twenty rows", |_| {
            over(120, |row| vec![step(BY_KEY, row, 1, 200)])
        }),
        loops("four hundred rows", |_| {
            over(400, |row| vec![step(BY_KEY, row, 1, 150)])
        }),
        loops("rows without children", |_| {
            over(20, |row| vec![step(CHILDREN, row, 0, 400)])
        }),
        loops("rows with many children", |_| {
            over(12, |row| vec![step(CHILDREN, row, 80, 900)])
        }),
        loops("the latest of each", |_| {
            over(15, |row| vec![step(LATEST, row, 1, 500)])
        }),
        loops("the next few of each", |_| {
            over(15, |row| vec![step(SINCE, row, 3, 500)])
        }),
        loops("through a join", |_| {
            over(15, |row| vec![step(JOINED, row, 4, 500)])
        }),
        loops("a count of each", |_| {
            over(15, |row| vec![step(COUNTED, row, 1, 500)])
        }),
        loops("by two columns", |_| {
            over(15, |row| vec![step(COMPOSITE, row, 1, 500)])
        }),
        loops("by a common table expression", |_| {
            over(15, |row| vec![step(COMMON, row, 1, 500)])
        }),
        loops("in small letters", |_| {
            over(15, |row| vec![step(LITE, row, 1, 500)])
        }),
        loops("two statements a row", |_| {
            over(10, |row| {
                vec![step(BY_KEY, row, 1, 400), step(COUNTED, row, 1, 400)]
            })
        }),
        loops("three statements a row", |_| {
            over(10, |row| {
                [BY_KEY, COUNTED, JOINED]
                    .map(|text| step(text, row, 1, 400))
                    .to_vec()
            })
        }),
        loops("rows of rows", |_| {
            over(6, |row| {
                let children = step(CHILDREN, row, 4, 400);
                let each = (0..4).map(|child| step(BY_KEY, row * 4 + child, 1, 300));
                std::iter::once(children).chain(each).collect()
            })
        }),
        loops("twenty rows of six authors", |request| {
            over(20, |row| {
                vec![step(BY_KEY, mixed(request * 100 + row) % 6, 1, 400)]
            })
        }),
        loops("fifty rows of ten authors", |request| {
            over(50, |row| {
                vec![step(BY_KEY, mixed(request * 100 + row) % 10, 1, 300)]
            })
        }),
        loops("as many rows as there are", |request| {
            over(5 + mixed(request) % 30, |row| {
                vec![step(BY_KEY, row, 1, 400)]
            })
        }),
        loops("a write a row, too", |_| {
            over(12, |row| {
                vec![step(BY_KEY, row, 1, 400), step(UPDATE, row, 1, 400)]
            })
        }),
        loops("a failure among them", |_| {
            over(12, |row| {
                let failed = row == 3;
                vec![Step {
                    failed,
                    ..step(BY_KEY, row, 1, 400)
                }]
            })
        }),
        loops("behind a session's look-up", |_| {
            let mut steps = vec![step(SESSION, 9, 1, 300)];
            steps.extend(over(12, |row| vec![step(BY_KEY, row, 1, 400)]));
            steps
        }),
        loops("without a list before it", |_| {
            (0..12).map(|row| step(BY_KEY, row, 1, 400)).collect()
        }),
        loops("values that nobody sees", |_| {
            over(15, |row| {
                vec![Step {
                    values: None,
                    ..step(BY_KEY, row, 1, 400)
                }]
            })
        }),
        loops("children whose values nobody sees", |_| {
            over(15, |row| {
                vec![Step {
                    values: None,
                    ..step(CHILDREN, row, 6, 400)
                }]
            })
        }),
        loops("half of the requests", |request| {
            over(if request.is_multiple_of(2) { 20 } else { 0 }, |row| {
                vec![step(BY_KEY, row, 1, 400)]
            })
        }),
        loops("slow ones in a slow request", |_| {
            over(5, |row| vec![step(CHILDREN, row, 3, 12_000)])
        }),
    ]
}

fn others() -> Vec<Trace> {
    let neither = |name, steps: fn(u64) -> Vec<Step>| trace(name, Label::Neither, steps);
    let repeated = |name, steps: fn(u64) -> Vec<Step>| trace(name, Label::Repeated, steps);
    let background = |name, steps: fn(u64) -> Vec<Step>| Trace {
        in_request: false,
        ..trace(name, Label::Neither, steps)
    };
    vec![
        neither("nothing", |_| vec![]),
        neither("a list alone", |_| over(0, |_| vec![])),
        neither("one look-up", |_| vec![step(BY_KEY, 1, 1, 900)]),
        neither("a batch of one", |_| {
            over(1, |row| vec![step(BY_KEY, row, 1, 900)])
        }),
        neither("a batch of two", |_| {
            over(2, |row| vec![step(BY_KEY, row, 1, 900)])
        }),
        neither("a batch of three", |_| {
            over(3, |row| vec![step(CHILDREN, row, 9, 900)])
        }),
        neither("a batch of four", |_| {
            over(4, |row| vec![step(BY_KEY, row, 1, 900)])
        }),
        neither("pages by offset", |_| {
            (0..10).map(|page| step(OFFSET, page, 100, 900)).collect()
        }),
        neither("pages by key", |_| {
            (0..10).map(|page| step(KEYSET, page, 100, 900)).collect()
        }),
        neither("an export by pages", |_| {
            (0..30).map(|page| step(PAGES, page, 500, 4_000)).collect()
        }),
        neither("pages backwards", |_| {
            (0..8).map(|page| step(FETCHED, page, 50, 900)).collect()
        }),
        neither("pages, the last of them short", |_| {
            (0..8)
                .map(|page| step(KEYSET, page, if page == 7 { 3 } else { 100 }, 900))
                .collect()
        }),
        neither("chunks of keys", |_| {
            (0..10).map(|chunk| step(CHUNKS, chunk, 4, 900)).collect()
        }),
        neither("arrays of keys", |_| {
            (0..10)
                .map(|chunk| step(ARRAYS, chunk, 200, 2_000))
                .collect()
        }),
        repeated("the same setting again", |_| {
            (0..8).map(|_| step(SETTING, 1, 1, 900)).collect()
        }),
        repeated("the session, in each layer", |_| {
            (0..6).map(|_| step(SESSION, 1, 1, 900)).collect()
        }),
        repeated("the same for each row", |_| {
            over(20, |_| vec![step(SETTING, 1, 1, 400)])
        }),
        repeated("two settings in turn, each again", |_| {
            (0..20)
                .map(|number| step(SETTING, number / 10, 1, 400))
                .collect()
        }),
        neither("nothing bound, and nobody sees that", |_| {
            (0..8)
                .map(|_| Step {
                    values: None,
                    ..step(NOW, 0, 1, 900)
                })
                .collect()
        }),
        neither("a retry that succeeds", |_| {
            (0..6)
                .map(|attempt| Step {
                    failed: attempt < 5,
                    ..step(BY_KEY, 1, 1, 900)
                })
                .collect()
        }),
        neither("retries that fail", |_| {
            (0..9)
                .map(|_| Step {
                    failed: true,
                    ..step(BY_KEY, 1, 0, 900)
                })
                .collect()
        }),
        neither("writes in a loop", |_| {
            (0..20).map(|row| step(WRITE, row, 1, 900)).collect()
        }),
        neither("updates in a loop", |_| {
            (0..20).map(|row| step(UPDATE, row, 1, 900)).collect()
        }),
        neither("many statements, each once", |request| {
            OTHERS.map(|text| step(text, request, 1, 900)).to_vec()
        }),
        neither("many statements, each twice", |request| {
            [OTHERS, OTHERS]
                .concat()
                .into_iter()
                .map(|text| step(text, request, 1, 900))
                .collect()
        }),
        neither("side by side", |_| {
            over(12, |row| {
                vec![Step {
                    beside: true,
                    ..step(BY_KEY, row, 1, 4_000)
                }]
            })
        }),
        neither("one request in forty", |request| {
            over(if request == 7 { 30 } else { 0 }, |row| {
                vec![step(BY_KEY, row, 1, 400)]
            })
        }),
        Trace {
            own_micros: 200_000,
            ..neither("quick ones in a long request", |_| {
                over(8, |row| vec![step(BY_KEY, row, 1, 100)])
            })
        },
        Trace {
            own_micros: 900_000,
            ..neither("a slow upstream beside a few", |_| {
                over(10, |row| vec![step(COUNTED, row, 1, 300)])
            })
        },
        background("a job over all rows", |_| {
            over(200, |row| vec![step(BY_KEY, row, 1, 400)])
        }),
        background("a job by pages", |_| {
            (0..40).map(|page| step(PAGES, page, 500, 2_000)).collect()
        }),
        background("a poller", |_| {
            (0..20).map(|_| step(SETTING, 1, 0, 400)).collect()
        }),
    ]
}

/// Runs a trace's requests; returns what is found of them.
fn found(trace: &Trace) -> Vec<String> {
    let (mut agent, hand) = by_hand();
    for request in 0..REQUESTS {
        let run = || play(&agent, &hand, &(trace.steps)(request), trace.own_micros);
        if trace.in_request {
            ask(&agent, run);
        } else {
            run();
        }
        if request % 10 == 9 {
            hand.pass(Duration::from_secs(1));
            agent.tick();
        }
    }
    assert_eq!(agent.panics, 0);
    let findings = agent.verdicts.findings.iter();
    let mut kinds: Vec<_> = findings.map(|finding| finding.kind.clone()).collect();
    kinds.dedup();
    kinds
}

/// Runs the statements as a pool of the deck's tells them.
fn play(agent: &Agent, hand: &Hand, steps: &[Step], own_micros: u64) {
    for step in steps {
        let values = step.values.filter(|_| scope::is_again(step.text));
        // What runs beside the next has ended soon after that, however long it took.
        let passes = if step.beside { 20 } else { step.micros };
        hand.pass(Duration::from_micros(passes));
        let ran = Ran {
            nanos: step.micros * 1_000,
            rows: step.rows,
            failed: step.failed,
            pool: None,
            attributed: true,
            elsewhere: false,
            values,
        };
        agent.eyes.recorder.query_of(None, step.text, &ran);
    }
    hand.pass(Duration::from_micros(own_micros));
}

/// Sends a request that is answered once `run` has.
fn ask(agent: &Agent, run: impl FnOnce()) {
    let run = RefCell::new(Some(run));
    let answers = tower(|| {
        if let Some(run) = run.borrow_mut().take() {
            run();
        }
    });
    let mut service = HttpLayer::new(Some(agent.eyes))
        .template(|_, _| Some("/"))
        .layer(answers);
    let mut answering = pin!(service.call(Request::new(())));
    let polled = answering
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(polled, Poll::Ready(Ok(_))));
}

/// A service that does something while it is polled.
fn tower<F: Fn()>(work: F) -> Works<F> {
    Works(Rc::new(work))
}

struct Works<F>(Rc<F>);

struct Working<F>(Rc<F>);

impl<F: Fn()> Service<Request<()>> for Works<F> {
    type Response = Response<Empty<bytes::Bytes>>;
    type Error = Infallible;
    type Future = Working<F>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<()>) -> Self::Future {
        Working(Rc::clone(&self.0))
    }
}

impl<F: Fn()> Future for Working<F> {
    type Output = Result<Response<Empty<bytes::Bytes>>, Infallible>;

    fn poll(self: std::pin::Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        (self.0)();
        Poll::Ready(Ok(Response::new(Empty::new())))
    }
}

#[test]
fn of_labelled_requests_the_loops_are_found_and_nothing_else_is() {
    let traces: Vec<_> = loops().into_iter().chain(others()).collect();
    assert!(traces.len() >= 60, "{}", traces.len());
    let mut wrong = Vec::new();
    let (mut loops, mut missed) = (0, 0);
    for trace in &traces {
        let expected: &[&str] = match trace.label {
            Label::NPlusOne => &["n_plus_one"],
            Label::Repeated => &["repeated_query"],
            Label::Neither => &[],
        };
        let found = found(trace);
        loops += u32::from(trace.label == Label::NPlusOne);
        missed += u32::from(trace.label == Label::NPlusOne && found.is_empty());
        if found != expected {
            wrong.push((trace.name, expected, found));
        }
    }
    println!(
        "{} of {loops} loops found, in {} requests",
        loops - missed,
        traces.len()
    );
    assert!(wrong.is_empty(), "{wrong:#?}");
}
