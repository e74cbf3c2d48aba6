use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::voice::Voice;
use super::{Sample, hello_at, sample, updates_at};
use crate::board::Board;
use crate::protocol::{
    ActReply, ActRequest, AlertState, Answer, CacheCapacity, Exemplar, Exemplars, Finding,
    FindingStatus, Hello, Intent, Ledger, LedgerId, LedgerRow, LedgerStatus, PlanId, Preview,
    QueryDetail, QueryId, QueryRoute, Question, Refusal, RefusalCode, Risk, RouteDetail,
    RouteStatement, State, Timestamp, Topic, Undo, Update, Verdict, WhichExemplar,
};
use crate::{BoxFuture, Error, Result, Source, Subscription};

/// A host that shows a sample.
///
/// Its actions change only its own ledger and its findings: an applied row runs when it is told and is done when it is
/// next looked up. Clones are the same host.
#[derive(Debug, Clone)]
pub struct SampleHost {
    sample: Sample,
    board: Board,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug)]
struct Shared {
    now: Timestamp,
    states: Vec<Arc<Update>>,
    plans: Vec<(PlanId, Intent)>,
    planned: u64,
}

impl SampleHost {
    pub(super) fn new(sample: Sample, now: Timestamp) -> Self {
        let states = updates_at(sample, now);
        let board = Board::new();
        for update in &states {
            board.publish(Arc::clone(update));
        }
        let shared = Shared {
            now,
            states,
            plans: Vec::new(),
            planned: 0,
        };
        Self {
            sample,
            board,
            shared: Arc::new(Mutex::new(shared)),
        }
    }

    /// Shows the sample as if the present were `now`; what was done here is kept.
    pub fn advance(&self, now: Timestamp) {
        let mut shared = self.lock();
        shared.now = now;
        for fresh in updates_at(self.sample, now) {
            let kept = matches!(fresh.state.topic(), Topic::Ledger | Topic::Advice);
            let state = if kept {
                shared.state(fresh.state.topic())
            } else {
                None
            };
            self.put(&mut shared, state.unwrap_or_else(|| fresh.state.clone()));
        }
    }

    /// Tells a topic again, as a host does that has no room for so many of its rows.
    pub fn leave_out(&self, topic: Topic, rows: u64) {
        let mut shared = self.lock();
        if let Some(state) = shared.state(topic) {
            self.put_without(&mut shared, state, rows);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, shared: &mut Shared, state: State) {
        self.put_without(shared, state, 0);
    }

    fn put_without(&self, shared: &mut Shared, state: State, left_out: u64) {
        let update = Arc::new(Update {
            at: shared.now,
            state,
            left_out,
        });
        let topic = update.state.topic();
        match shared
            .states
            .iter_mut()
            .find(|old| old.state.topic() == topic)
        {
            Some(old) => *old = Arc::clone(&update),
            None => shared.states.push(Arc::clone(&update)),
        }
        self.board.publish(update);
    }

    fn answer(&self, question: &Question) -> Result<Answer> {
        let shared = self.lock();
        match question {
            Question::Now(topic) => shared
                .states
                .iter()
                .find(|update| update.state.topic() == *topic)
                .map(|update| Answer::Now(Arc::clone(update)))
                .ok_or_else(|| unknown("this host has no such topic")),
            Question::Query(id) => shared.query(id, &Voice::of(self.sample)).map(Answer::Query),
            Question::Route(route) => {
                let mut detail = shared.route(route)?;
                let kept = self.exemplars(&shared);
                let of_route = kept.into_iter().filter(|one| one.route == *route);
                detail.exemplars = of_route.map(|one| one.row).collect();
                Ok(Answer::Route(detail))
            }
            Question::Exemplars(route) => {
                let kept = self.exemplars(&shared);
                let kept = kept.into_iter().filter(|one| one.route == *route);
                Ok(Answer::Exemplars(Exemplars {
                    route: route.clone(),
                    exemplars: kept.map(|one| one.row).collect(),
                    not_kept: 41,
                }))
            }
            Question::Exemplar(which) => {
                let kept = self.exemplars(&shared);
                shared.exemplar(kept, which).map(Answer::Exemplar)
            }
            Question::History(request) => {
                let Some(State::Requests(requests)) = shared.state(Topic::Requests) else {
                    return Err(unknown("this host has no such topic"));
                };
                sample::history(&requests, request, shared.now)
                    .map(Answer::History)
                    .ok_or_else(|| unknown("no such history"))
            }
            Question::Numbers => Ok(Answer::Numbers(sample::NUMBERS.map(str::to_owned).to_vec())),
        }
    }

    fn exemplars(&self, shared: &Shared) -> Vec<Exemplar> {
        let Some(State::Requests(requests)) = shared.state(Topic::Requests) else {
            return Vec::new();
        };
        let voice = Voice::of(self.sample);
        let routes = requests.routes.iter().enumerate();
        routes
            .flat_map(|(place, row)| sample::exemplars(&voice, row, place, shared.now))
            .collect()
    }

    fn preview(&self, intent: Intent) -> Result<Preview> {
        let mut shared = self.lock();
        shared.planned += 1;
        let plan_id = PlanId(format!("plan-{}", shared.planned));
        let preview = match &intent {
            Intent::Apply(id) => {
                let finding = shared
                    .finding(id)
                    .ok_or_else(|| unknown("no such finding"))?;
                index_preview(&finding)?
            }
            Intent::ClearCache { namespace } => clear_preview(namespace, shared.now),
            Intent::ClearAlerts => clear_alerts_preview(),
            Intent::ResizeCache {
                namespace,
                capacity,
            } => resize_preview(namespace, *capacity),
            Intent::WarmCache { namespace } => warm_preview(namespace),
            Intent::OptimizeCaches => optimize_preview(),
            Intent::SetCacheTtl {
                namespace,
                ttl_seconds,
            } => ttl_preview(namespace, *ttl_seconds),
            Intent::Undo(id) => {
                let row = shared
                    .row(*id)
                    .ok_or_else(|| unknown("no such row in the ledger"))?;
                let undo = row
                    .undo
                    .ok_or_else(|| refuse("this row can't be undone any more"))?;
                Preview {
                    kind: "undo".to_owned(),
                    title: format!("undo {} {}", row.action, row.target),
                    statement: undo.statement,
                    risk: Risk::Schema,
                    ..clear_preview("", shared.now)
                }
            }
        };
        shared.plans.push((plan_id.clone(), intent));
        let expires_at = shared.now.after(Duration::from_secs(52));
        Ok(Preview {
            plan_id,
            expires_at,
            ..preview
        })
    }

    fn apply(&self, plan: &PlanId) -> Result<LedgerRow> {
        let mut shared = self.lock();
        let Some(place) = shared.plans.iter().position(|(known, _)| known == plan) else {
            return Err(Refusal::new(RefusalCode::Unknown, "this plan is not known here").into());
        };
        let (_, intent) = shared.plans.remove(place);
        let Some(State::Ledger(Ledger { mut rows, durable })) = shared.state(Topic::Ledger) else {
            return Err(unknown("this host keeps no ledger"));
        };
        let id = LedgerId(rows.iter().map(|row| row.id.0).max().unwrap_or(0) + 1);
        let row = shared.begin(id, &intent);
        if let Intent::Undo(undone) = &intent {
            for old in rows.iter_mut().filter(|old| old.id == *undone) {
                old.status = LedgerStatus::Undone;
                old.undo = None;
            }
        }
        rows.insert(
            0,
            LedgerRow {
                status: LedgerStatus::Done,
                ..row.clone()
            },
        );
        self.put(&mut shared, State::Ledger(Ledger { rows, durable }));
        if let (Intent::Apply(id), Some(State::Advice(mut advice))) =
            (&intent, shared.state(Topic::Advice))
        {
            for finding in advice
                .findings
                .iter_mut()
                .filter(|finding| finding.id == *id)
            {
                finding.status = FindingStatus::Applied;
            }
            self.put(&mut shared, State::Advice(advice));
        }
        if let (Intent::ClearAlerts, Some(State::Alerts(mut alerts))) =
            (&intent, shared.state(Topic::Alerts))
        {
            alerts
                .alerts
                .retain(|alert| alert.state == AlertState::Pending);
            self.put(&mut shared, State::Alerts(alerts));
        }
        Ok(row)
    }
}

impl Source for SampleHost {
    fn hello(&self) -> BoxFuture<'_, Result<Hello>> {
        let now = self.lock().now;
        Box::pin(std::future::ready(Ok(hello_at(self.sample, now))))
    }

    fn subscribe(&self, topics: &[Topic]) -> Subscription {
        Subscription::new(self.board.follower(topics))
    }

    fn ask(&self, question: Question) -> BoxFuture<'_, Result<Answer>> {
        Box::pin(std::future::ready(self.answer(&question)))
    }

    fn act(&self, request: ActRequest) -> BoxFuture<'_, Result<ActReply>> {
        Box::pin(std::future::ready(match request {
            ActRequest::Preview(intent) => self.preview(intent).map(ActReply::Preview),
            ActRequest::Apply(plan) => self.apply(&plan).map(ActReply::Applied),
        }))
    }
}

impl Shared {
    fn state(&self, topic: Topic) -> Option<State> {
        let update = self
            .states
            .iter()
            .find(|update| update.state.topic() == topic)?;
        Some(update.state.clone())
    }

    fn finding(&self, id: &crate::protocol::FindingId) -> Option<Finding> {
        let Some(State::Advice(advice)) = self.state(Topic::Advice) else {
            return None;
        };
        advice
            .findings
            .into_iter()
            .find(|finding| finding.id == *id)
    }

    fn row(&self, id: LedgerId) -> Option<LedgerRow> {
        let Some(State::Ledger(ledger)) = self.state(Topic::Ledger) else {
            return None;
        };
        ledger.rows.into_iter().find(|row| row.id == id)
    }

    fn query(&self, id: &QueryId, voice: &Voice) -> Result<QueryDetail> {
        let Some(State::Queries(queries)) = self.state(Topic::Queries) else {
            return Err(unknown("this host has no statements"));
        };
        let row = queries.queries.into_iter().find(|row| row.id == *id);
        let row = row.ok_or_else(|| unknown("no such statement"))?;
        let route = row.route.clone().unwrap_or_else(|| "background".to_owned());
        let routes = vec![
            QueryRoute {
                route,
                calls: row.calls - row.calls / 8,
            },
            QueryRoute {
                route: "GET /search".to_owned(),
                calls: row.calls / 8,
            },
        ];
        let distribution = [0.1, 0.3, 0.6, 0.8, 1.0, 1.2, 1.5]
            .into_iter()
            .zip([12_u64, 90, 410, 260, 120, 40, 6])
            .map(|(part, count)| (row.p95_seconds * part, count))
            .collect();
        Ok(QueryDetail {
            call_sites: sample::call_sites(voice, &routes),
            row,
            routes,
            distribution,
        })
    }

    fn exemplar(&self, kept: Vec<Exemplar>, which: &WhichExemplar) -> Result<Exemplar> {
        let found = match which {
            WhichExemplar::Id(id) => kept.into_iter().find(|one| one.row.id == *id),
            WhichExemplar::Near { route, percentile } => {
                let row = self.route(route)?.row;
                let seconds = match percentile {
                    100 => f64::INFINITY,
                    95 => row.p95_seconds,
                    _ => row.p50_seconds,
                };
                let of_route = kept.into_iter().filter(|one| one.route == *route);
                of_route.min_by(|a, b| {
                    let far = |one: &Exemplar| (one.row.duration_seconds - seconds.min(1e9)).abs();
                    far(a).total_cmp(&far(b))
                })
            }
        };
        found.ok_or_else(|| unknown("no such kept request"))
    }

    fn route(&self, route: &str) -> Result<RouteDetail> {
        let Some(State::Requests(requests)) = self.state(Topic::Requests) else {
            return Err(unknown("this host has no routes"));
        };
        let row = requests.routes.into_iter().find(|row| row.route == route);
        let row = row.ok_or_else(|| unknown("no such route"))?;
        let Some(State::Queries(queries)) = self.state(Topic::Queries) else {
            return Ok(RouteDetail {
                row,
                ..RouteDetail::default()
            });
        };
        let statements = queries
            .queries
            .into_iter()
            .filter(|query| query.route.as_deref() == Some(route))
            .take(20)
            .map(|query| RouteStatement {
                query: query.id,
                text: query.text,
                calls: query.calls,
                per_request: row.queries_per_request,
                time_share: query.time_share,
            })
            .collect();
        Ok(RouteDetail {
            row,
            statements,
            exemplars: Vec::new(),
        })
    }

    fn begin(&self, id: LedgerId, intent: &Intent) -> LedgerRow {
        let (action, target, undo_of) = match intent {
            Intent::Apply(id) => {
                let finding = self.finding(id);
                (
                    "create_index",
                    finding.map(|finding| finding.title).unwrap_or_default(),
                    None,
                )
            }
            Intent::ClearCache { namespace } => ("clear_cache", namespace.clone(), None),
            Intent::Undo(id) => ("undo", format!("row {id}"), Some(*id)),
            Intent::ClearAlerts => ("clear_alerts", "alerts".to_owned(), None),
            Intent::ResizeCache { namespace, .. } => ("resize_cache", namespace.clone(), None),
            Intent::WarmCache { namespace } => ("warm_cache", namespace.clone(), None),
            Intent::OptimizeCaches => ("optimize_caches", "caches".to_owned(), None),
            Intent::SetCacheTtl { namespace, .. } => ("set_cache_ttl", namespace.clone(), None),
        };
        LedgerRow {
            id,
            at: self.now,
            actor: "uid 1000".to_owned(),
            action: action.to_owned(),
            target,
            status: LedgerStatus::Running,
            message: "just begun".to_owned(),
            verdict: Verdict::Measuring,
            predicted: None,
            realised: None,
            interval: None,
            undo_of,
            undo: (!matches!(intent, Intent::ClearAlerts | Intent::WarmCache { .. })).then(|| {
                Undo {
                    statement: "what it was before".to_owned(),
                    until: None,
                }
            }),
        }
    }
}

fn index_preview(finding: &Finding) -> Result<Preview> {
    let action = finding
        .action
        .clone()
        .ok_or_else(|| refuse("only code helps here"))?;
    let confirm = match &finding.evidence {
        crate::protocol::Evidence::MissingIndex(evidence) => Some(evidence.table.clone()),
        _ => None,
    };
    Ok(Preview {
        plan_id: PlanId(String::new()),
        expires_at: Timestamp::default(),
        kind: action.kind,
        title: "create index".to_owned(),
        statement: action.preview,
        risk: action.risk,
        notes: vec![
            "on primary, as role deck_ddl, lock_timeout 2s".to_owned(),
            "now: no transaction older than 1s, disk free 41GiB".to_owned(),
        ],
        expected: Some("GET /documents p95 412ms -> about 96ms".to_owned()),
        undo: Undo {
            statement: action.undo,
            until: None,
        },
        confirm,
    })
}

fn clear_preview(namespace: &str, now: Timestamp) -> Preview {
    Preview {
        plan_id: PlanId(String::new()),
        expires_at: Timestamp::default(),
        kind: "clear_cache".to_owned(),
        title: format!("clear cache `{namespace}`"),
        statement: format!("clear every entry of `{namespace}`"),
        risk: Risk::Cache,
        notes: vec!["the next look-ups load again, one load a key".to_owned()],
        expected: None,
        undo: Undo {
            statement: "bring the entries back".to_owned(),
            until: Some(now.after(Duration::from_secs(60))),
        },
        confirm: None,
    }
}

fn resize_preview(namespace: &str, capacity: CacheCapacity) -> Preview {
    let wanted = match capacity {
        CacheCapacity::Entries(entries) => format!("{entries} entries"),
        CacheCapacity::Bytes(bytes) => format!("{} MiB", bytes >> 20),
    };
    Preview {
        kind: "resize_cache".to_owned(),
        title: format!("resize cache {namespace}"),
        statement: format!("let cache `{namespace}` hold {wanted}"),
        notes: vec![
            "now 10000 entries: 118 are held, 0 were pushed out since the start".to_owned(),
            "until the service starts anew".to_owned(),
        ],
        undo: Undo {
            statement: format!("let cache `{namespace}` hold 10000 entries again"),
            until: None,
        },
        ..clear_preview(namespace, Timestamp::default())
    }
}

fn warm_preview(namespace: &str) -> Preview {
    Preview {
        kind: "warm_cache".to_owned(),
        title: format!("warm cache {namespace}"),
        statement: format!(
            "load those of the 640 most used keys of cache `{namespace}` that it doesn't hold"
        ),
        notes: vec!["for ten minutes at most".to_owned()],
        undo: Undo {
            statement: String::new(),
            until: None,
        },
        ..clear_preview(namespace, Timestamp::default())
    }
}

fn optimize_preview() -> Preview {
    Preview {
        kind: "optimize_caches".to_owned(),
        title: "optimize caches".to_owned(),
        statement: "let cache `analytics` hold 8000 entries instead of 1000; let cache `flags` hold 24 entries \
                    instead of 100; drop 31 entries whose time is over"
            .to_owned(),
        notes: vec![
            "no more than now in all, as large as entries are on average".to_owned(),
            "what doesn't fit any more goes, and no undo brings it back".to_owned(),
        ],
        expected: Some("saves 540 ms more of loading a second, whatever the forecasts are off by".to_owned()),
        undo: Undo {
            statement: "let caches hold again: `analytics` 1000 entries, `flags` 100 entries".to_owned(),
            until: None,
        },
        ..clear_preview("", Timestamp::default())
    }
}

fn ttl_preview(namespace: &str, ttl_seconds: u32) -> Preview {
    Preview {
        kind: "set_cache_ttl".to_owned(),
        title: format!("change TTL of cache {namespace}"),
        statement: format!("let entries of cache `{namespace}` be fresh for {ttl_seconds} s"),
        notes: vec![
            "now 5 min".to_owned(),
            "what code asks to be fresh for a shorter time stays so".to_owned(),
            "until the service starts anew".to_owned(),
        ],
        undo: Undo {
            statement: format!("let entries of cache `{namespace}` be fresh for 5 min again"),
            until: None,
        },
        ..clear_preview(namespace, Timestamp::default())
    }
}

fn clear_alerts_preview() -> Preview {
    Preview {
        plan_id: PlanId(String::new()),
        expires_at: Timestamp::default(),
        kind: "clear_alerts".to_owned(),
        title: "clear the alerts".to_owned(),
        statement:
            "put away what fires (2) until it has been over once, and forget what is over (1)"
                .to_owned(),
        risk: Risk::Deck,
        notes: vec!["the service and its rules stay as they are".to_owned()],
        expected: None,
        undo: Undo {
            statement: String::new(),
            until: None,
        },
        confirm: None,
    }
}

fn unknown(message: &str) -> Error {
    Refusal::new(RefusalCode::Unknown, message).into()
}

fn refuse(message: &str) -> Error {
    Refusal::new(RefusalCode::NotAllowed, message).into()
}
