//! Carries out what viewers ask for: preview, apply, undo, and the measurement afterwards.

mod alert;
#[cfg(feature = "cache")]
mod cache;
#[cfg(all(feature = "advisor", feature = "_sqlx"))]
mod index;
#[cfg(not(feature = "cache"))]
mod no_cache;
#[cfg(not(all(feature = "advisor", feature = "_sqlx")))]
mod no_index;

use std::time::Duration;

use perfdeck_bridge::protocol::{
    ActReply, ActRequest, FindingId, Intent, LedgerId, LedgerRow, LedgerStatus, Level, Refusal,
    RefusalCode, Risk, Role, Undo, Verdict,
};
use perfdeck_bridge::server::Caller;
use tokio::sync::oneshot;

use super::Agent;
use crate::act::ledger::Life;
use crate::act::measure::{self, Measurement, Outcome, Subject, Taken};
use crate::act::{Draft, Job, Plan};

#[cfg(feature = "cache")]
pub(super) use self::cache::{Altered, Cleared, Warmth};
#[cfg(all(feature = "advisor", feature = "_sqlx"))]
pub(super) use self::index::Made;
#[cfg(not(all(feature = "advisor", feature = "_sqlx")))]
pub(super) use self::no_index::Made;

pub(super) type Reply = oneshot::Sender<Result<ActReply, Refusal>>;

/// How long an undo that has an end can be asked for; the caches hold what they dropped as long.
const UNDO: Duration = Duration::from_secs(60);

/// How a row ends that did not succeed, and why.
pub(super) type Failure = (LedgerStatus, String);

/// What came of work beside the tick.
#[derive(Debug)]
pub(crate) enum Event {
    /// A draft whose database was asked.
    Drafted(Caller, Reply, Result<Box<Draft>, Refusal>),
    /// How far a row is.
    Progress(LedgerId, String),
    /// What came of a row.
    Done(LedgerId, Result<Done, Failure>),
    /// What a measurement came to, once the database was asked whose merit it is, and why it is not ours.
    #[cfg(all(feature = "advisor", feature = "_sqlx"))]
    Measured(LedgerId, Box<Outcome>, Option<&'static str>),
}

/// A finished action.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) message: String,
    /// Whether the database now uses what was made.
    pub(crate) credited: bool,
}

/// An action under way.
#[derive(Debug)]
pub(crate) struct Acting {
    row: LedgerId,
    job: Job,
    subject: Subject,
    before: Taken,
    undo: Undo,
}

impl Agent {
    pub(super) fn act(&mut self, caller: Caller, request: ActRequest, reply: Reply) {
        if caller.role != Role::Control {
            let _ = reply.send(Err(not_allowed("this viewer may only look")));
            return;
        }
        match request {
            ActRequest::Preview(intent) => self.preview(caller, intent, reply),
            ActRequest::Apply(plan_id) => {
                let taken = self.plans.take(&plan_id, caller.viewer, self.clock.now());
                match taken.and_then(|plan| self.apply(caller, plan)) {
                    Ok(applied) => drop(reply.send(Ok(applied))),
                    Err(refusal) => drop(reply.send(Err(refusal))),
                }
            }
        }
    }

    pub(super) fn acted(&mut self, event: Event) {
        match event {
            Event::Drafted(caller, reply, draft) => {
                let preview = draft.and_then(|draft| self.show(caller, *draft));
                let _ = reply.send(preview);
            }
            Event::Progress(row, message) => self.ledger.progress(row, message),
            Event::Done(row, result) => self.finish(row, result),
            #[cfg(all(feature = "advisor", feature = "_sqlx"))]
            Event::Measured(row, outcome, note) => self.close(row, *outcome, note),
        }
    }

    /// Looks at the windows that are open.
    pub(super) fn measure(&mut self) {
        let (store, second, clock) = (&self.store, self.second, &self.clock);
        let mut closed = Vec::new();
        self.measurements
            .retain_mut(|measurement| match measurement.look(store, second, clock) {
                Some(outcome) => {
                    closed.push((measurement.row, outcome));
                    false
                }
                None => true,
            });
        #[cfg(feature = "cache")]
        self.forget_cleared();
        #[cfg(feature = "cache")]
        self.pace_warming();
        for (row, outcome) in closed {
            if let Some(outcome) = self.confirm(row, outcome) {
                self.close(row, outcome, None);
            }
        }
    }

    /// Writes down what a measurement came to, unless its row was undone meanwhile.
    fn close(&mut self, row: LedgerId, outcome: Outcome, note: Option<&str>) {
        let measuring = self
            .ledger
            .row(row)
            .filter(|row| row.status == LedgerStatus::Done && row.verdict == Verdict::Measuring);
        let Some((action, target)) = measuring.map(|row| (row.action.clone(), row.target.clone()))
        else {
            return;
        };
        let note = note.map_or_else(String::new, |note| format!("; {note}"));
        let ratio = self.hit_ratio_since(row);
        let told = outcome
            .statements
            .map_or_else(String::new, |[before, after]| {
                format!(
                    "; its statements (p95): {:.2} ms -> {:.2} ms",
                    before * 1e3,
                    after * 1e3
                )
            });
        self.ledger.change(row, |row| {
            row.message.push_str(&ratio);
            row.message.push_str(&told);
            row.message.push_str(&note);
            row.measured(outcome.verdict, outcome.realised, outcome.interval);
        });
        let (level, word) = match outcome.verdict {
            Verdict::Helped => (Level::Good, "helped"),
            Verdict::Worse => (Level::Over, "made it worse: undo it"),
            Verdict::NoChange => (Level::Near, "changed nothing"),
            Verdict::NotEnoughTraffic | Verdict::Measuring => (Level::Near, "can't be measured"),
        };
        self.changed(level, format!("{action} {target} {word}"));
    }

    fn preview(&mut self, caller: Caller, intent: Intent, reply: Reply) {
        let draft = match intent {
            Intent::Apply(finding) => return self.preview_finding(caller, &finding, reply),
            Intent::ClearCache { namespace } => self.draft_clear(namespace),
            Intent::ClearAlerts => Ok(self.draft_clear_alerts()),
            Intent::ResizeCache {
                namespace,
                capacity,
            } => self.draft_resize(&namespace, capacity),
            Intent::WarmCache { namespace } => self.draft_warm(namespace),
            Intent::OptimizeCaches => self.draft_optimize(),
            Intent::SetCacheTtl {
                namespace,
                ttl_seconds,
            } => self.draft_ttl(&namespace, ttl_seconds),
            Intent::Undo(row) => match self.undo_job(row) {
                Ok(Job::DropIndex { finding }) => {
                    return self.preview_drop(caller, row, &finding, reply);
                }
                Ok(Job::RestoreCache { namespace, cleared }) => {
                    self.draft_restore(namespace, cleared)
                }
                Ok(Job::ResetCache { changed, .. }) => self.draft_reset(changed),
                Ok(_) => Err(Refusal::new(
                    RefusalCode::Unknown,
                    format!("row {row} can't be undone"),
                )),
                Err(refusal) => Err(refusal),
            },
        };
        let preview = draft.and_then(|draft| self.show(caller, draft));
        let _ = reply.send(preview);
    }

    /// Makes a plan of a draft, if the host allows its class.
    fn show(&mut self, caller: Caller, draft: Draft) -> Result<ActReply, Refusal> {
        self.allowed(draft.risk)?;
        let (now, told) = (self.clock.now(), self.now());
        Ok(ActReply::Preview(self.plans.make(
            draft,
            caller.viewer,
            now,
            told,
        )))
    }

    fn allowed(&self, risk: Risk) -> Result<(), Refusal> {
        if self.hello.allows.contains(&risk) {
            return Ok(());
        }
        let class = format!("{risk:?}");
        Err(not_allowed(&format!(
            "the service does not allow actions of class {}: it would say `.allow(Risk::{class})`",
            class.to_lowercase()
        )))
    }

    fn apply(&mut self, caller: Caller, plan: Plan) -> Result<ActReply, Refusal> {
        let draft = plan.draft;
        self.allowed(draft.risk)?;
        if let Some(acting) = self.acting.get(&draft.target) {
            return Err(Refusal::new(
                RefusalCode::Busy,
                format!(
                    "{} is being worked on: see row {} of the ledger",
                    draft.target, acting.row
                ),
            ));
        }
        let subject = self.subject(&draft.job);
        let before = measure::before(&self.store, &subject, self.last_done, self.second);
        let row = self.begin(&draft, format!("uid {}", caller.uid))?;
        let acting = Acting {
            row: row.id,
            job: draft.job.clone(),
            subject,
            before,
            undo: draft.undo.clone(),
        };
        self.acting.insert(draft.target.clone(), acting);
        match &draft.job {
            Job::CreateIndex { finding } => {
                // Kept from here on: the next round may not propose it any more.
                if let Some(made) = self.verified.proposals.get(finding) {
                    self.made.insert(finding.clone(), made.clone());
                }
                self.create_index(row.id, finding, draft.state);
            }
            Job::DropIndex { finding } => self.drop_index(row.id, finding),
            Job::ClearCache { namespace } => {
                let result = self.clear_cache(row.id, namespace);
                self.finish(row.id, result);
            }
            Job::RestoreCache { namespace, cleared } => {
                let result = self.restore_cache(namespace, *cleared);
                self.finish(row.id, result);
            }
            Job::ClearAlerts => {
                let done = self.clear_alerts();
                self.finish(row.id, Ok(done));
            }
            Job::ResizeCache { .. } | Job::SetCacheTtl { .. } => {
                let result = self.change_cache(row.id, &draft.job, draft.state);
                self.finish(row.id, result);
            }
            Job::WarmCache { namespace } => {
                if let Err(failure) = self.warm_cache(Some(row.id), namespace) {
                    self.finish(row.id, Err(failure));
                }
            }
            Job::OptimizeCaches { resizes } => {
                let result = self.optimize_caches(row.id, resizes, draft.state);
                self.finish(row.id, result);
            }
            Job::ResetCache { changed, .. } => {
                let result = self.reset_cache(*changed);
                self.finish(row.id, result);
            }
        }
        let row = self.ledger.row(row.id).cloned().unwrap_or(row);
        Ok(ActReply::Applied(row))
    }

    /// Writes down that an action begins.
    fn begin(&mut self, draft: &Draft, actor: String) -> Result<LedgerRow, Refusal> {
        let now = self.now();
        self.ledger.begin(draft, actor, now).map_err(|_| {
            Refusal::new(
                RefusalCode::Failed,
                "the ledger can't be written, and nothing is done that it does not hold",
            )
        })
    }

    /// Closes a row and opens its measurement.
    fn finish(&mut self, row: LedgerId, result: Result<Done, Failure>) {
        let target = self.acting.iter().find(|(_, acting)| acting.row == row);
        let Some(target) = target.map(|(target, _)| target.clone()) else {
            return;
        };
        let Some(acting) = self.acting.remove(&target) else {
            return;
        };
        match result {
            Err((status, message)) => {
                if let Job::CreateIndex { finding } = &acting.job {
                    self.made.remove(finding);
                }
                self.changed(Level::Near, format!("{target}: {message}"));
                self.ledger.change(row, |row| row.failed(status, message));
            }
            Ok(done) => {
                self.changed(Level::Good, done.message.clone());
                self.applied(&acting.job, row);
                let mut undo = acting.undo;
                // The time runs from the action, not from its preview.
                undo.until = undo.until.map(|_| self.now().after(UNDO));
                let undo = (!undo.statement.is_empty()).then_some(undo);
                self.ledger.change(row, |row| row.done(done.message, undo));
                if acting.job == Job::ClearAlerts {
                    self.ledger.change(row, nothing_to_measure);
                    return;
                }
                self.second = self.second.max(self.clock.now().0 / 1_000_000_000);
                self.last_done = Some(self.second);
                self.measurements.push(Measurement::new(
                    row,
                    acting.subject,
                    acting.before,
                    self.second,
                    done.credited,
                ));
            }
        }
    }

    /// Remembers what an action leaves behind.
    fn applied(&mut self, job: &Job, row: LedgerId) {
        match job {
            Job::CreateIndex { finding } => {
                self.facts.applied.insert(finding.clone());
                self.facts
                    .indexes
                    .retain(|fact| crate::judge::finding::missing_index_id(fact) != *finding);
            }
            Job::DropIndex { finding } => {
                self.made.remove(finding);
                self.facts.applied.remove(finding);
                self.close_undone(row);
            }
            Job::RestoreCache { .. } | Job::ResetCache { .. } => self.close_undone(row),
            Job::ClearCache { .. }
            | Job::ClearAlerts
            | Job::ResizeCache { .. }
            | Job::SetCacheTtl { .. }
            | Job::OptimizeCaches { .. }
            | Job::WarmCache { .. } => {}
        }
    }

    /// Says of the row that `row` took back that it was.
    fn close_undone(&mut self, row: LedgerId) {
        let Some(undone) = self.ledger.row(row).and_then(|row| row.undo_of) else {
            return;
        };
        self.measurements
            .retain(|measurement| measurement.row != undone);
        self.ledger.change(undone, |row| {
            row.status = LedgerStatus::Undone;
            row.undo = None;
            if row.verdict == Verdict::Measuring {
                row.verdict = Verdict::NotEnoughTraffic;
            }
        });
    }

    /// What undoing a row means.
    fn undo_job(&self, id: LedgerId) -> Result<Job, Refusal> {
        let unknown = |message: String| Refusal::new(RefusalCode::Unknown, message);
        let row = self
            .ledger
            .row(id)
            .ok_or_else(|| unknown(format!("no such row: {id}")))?;
        let undo = row
            .undo
            .as_ref()
            .filter(|_| row.status == LedgerStatus::Done);
        let undo = undo.ok_or_else(|| unknown(format!("row {id} can't be undone")))?;
        if undo.until.is_some_and(|until| self.now() > until) {
            return Err(Refusal::new(
                RefusalCode::Expired,
                format!("row {id} could be undone for a minute only"),
            ));
        }
        if row.action == "clear_cache" {
            return Ok(Job::RestoreCache {
                namespace: row.target.clone(),
                cleared: id,
            });
        }
        if ["resize_cache", "set_cache_ttl", "optimize_caches"].contains(&row.action.as_str()) {
            return Ok(Job::ResetCache {
                namespace: row.target.clone(),
                changed: id,
            });
        }
        self.made_for(row)
            .map(|finding| Job::DropIndex { finding })
            .ok_or_else(|| {
                unknown(format!(
                    "row {id} is of an earlier process: run {}",
                    undo.statement
                ))
            })
    }
}

/// Says of a row that nothing of the service could get faster by it.
fn nothing_to_measure(row: &mut LedgerRow) {
    row.measured(Verdict::NoChange, None, None);
}

fn not_allowed(message: &str) -> Refusal {
    Refusal::new(RefusalCode::NotAllowed, message)
}

fn no_action(finding: &FindingId) -> Refusal {
    Refusal::new(
        RefusalCode::Unknown,
        format!("no open finding {} that perfdeck can act on", finding.0),
    )
}
