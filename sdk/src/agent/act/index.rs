//! Creating an index that a finding proposes, and dropping it again.

use std::sync::Arc;
use std::time::Duration;

use perfdeck_bridge::protocol::{
    FindingId, FindingStatus, LedgerId, LedgerRow, LedgerStatus, Refusal, RefusalCode, Risk, Undo,
    Verdict,
};
use perfdeck_bridge::server::Caller;

use super::{Done, Failure, Reply, no_action};
use crate::act::measure::{self, Outcome, Subject};
use crate::act::{Draft, Job};
use crate::agent::{Agent, Event};
use crate::database::{Handle, IndexPlan, ddl, plan_uses};

/// How long the database may take to say whose merit a gain is.
const CONFIRM: Duration = Duration::from_secs(10);

/// An index that a finding proposes, or that was made for it.
#[derive(Debug, Clone)]
pub(crate) struct Made {
    pub(crate) pool: u16,
    pub(crate) index: IndexPlan,
    /// The statements that it serves, with their text as executed.
    pub(crate) statements: Vec<(u64, Arc<str>)>,
}

impl Agent {
    /// Asks the database whether the index can be made now, beside the tick, and shows what it says.
    pub(super) fn preview_finding(&mut self, caller: Caller, finding: &FindingId, reply: Reply) {
        let found = self
            .verdicts
            .findings
            .iter()
            .find(|found| found.id == *finding);
        let ready = found
            .filter(|found| found.status == FindingStatus::Ready)
            .cloned();
        let made = self.verified.proposals.get(finding).cloned();
        let (Some(found), Some(made)) = (ready, made) else {
            let _ = reply.send(Err(no_action(finding)));
            return;
        };
        let Some(handle) = self.handle(&made) else {
            let _ = reply.send(Err(no_action(finding)));
            return;
        };
        if let Err(refusal) = self.allowed(Risk::Schema) {
            let _ = reply.send(Err(refusal));
            return;
        }
        let job = Job::CreateIndex {
            finding: finding.clone(),
        };
        let before = measure::before(
            &self.store,
            &self.subject(&job),
            self.last_done,
            self.second,
        );
        let impact = &found.impact;
        let predicted = impact
            .p95_seconds_after
            .and_then(|after| measure::predicted(&before, after, &self.clock));
        let expected = match (
            &impact.route,
            impact.p95_seconds_now,
            impact.p95_seconds_after,
        ) {
            (Some(route), Some(now), Some(after)) => Some(format!(
                "{route} p95 {:.1} ms -> about {:.1} ms",
                now * 1e3,
                after * 1e3
            )),
            _ => None,
        };
        let index = made.index.clone();
        let columns = index.shape.words();
        let draft = Draft {
            job,
            kind: "create_index",
            target: index.name.clone(),
            title: format!("create index on {} ({})", index.table, columns.join(", ")),
            statement: index.create.clone(),
            risk: Risk::Schema,
            notes: Vec::new(),
            expected,
            undo: Undo {
                statement: index.drop.clone(),
                until: None,
            },
            confirm: Some(index.table.clone()),
            predicted,
            state: 0,
            undo_of: None,
        };
        self.ask_first(caller, reply, handle, made, draft);
    }

    pub(super) fn preview_drop(
        &mut self,
        caller: Caller,
        row: LedgerId,
        finding: &FindingId,
        reply: Reply,
    ) {
        let made = self.made.get(finding).cloned();
        let Some(made) = made.filter(|made| self.handle(made).is_some()) else {
            let _ = reply.send(Err(no_action(finding)));
            return;
        };
        let index = &made.index;
        let draft = Draft {
            job: Job::DropIndex {
                finding: finding.clone(),
            },
            kind: "drop_index",
            target: index.name.clone(),
            title: format!("drop index {}", index.name),
            statement: index.drop.clone(),
            risk: Risk::Schema,
            notes: vec![format!("made by row {row}")],
            expected: None,
            undo: Undo {
                statement: String::new(),
                until: None,
            },
            confirm: Some(index.table.clone()),
            predicted: None,
            state: 0,
            undo_of: Some(row),
        };
        let preview = self.show(caller, draft);
        let _ = reply.send(preview);
    }

    pub(super) fn create_index(&mut self, row: LedgerId, finding: &FindingId, state: u64) {
        let Some((handle, made)) = self.proposal(finding) else {
            self.finish(
                row,
                Err((LedgerStatus::Refused, "the finding is gone".into())),
            );
            return;
        };
        let events = self.events.clone();
        let clock = self.clock.clone();
        tokio::spawn(async move {
            let start = clock.now();
            let told = events.clone();
            let progress = move |message| {
                // A full inbox loses a word of progress, not the outcome.
                let _ = told.try_send(Event::Act(super::Event::Progress(row, message)));
            };
            let result = create(&handle, &made, state, progress)
                .await
                .map(|credited| Done {
                    message: format!(
                        "created {} in {:.1} s",
                        made.index.name,
                        clock.now().since(start).as_secs_f64()
                    ),
                    credited,
                });
            let _ = events
                .send(Event::Act(super::Event::Done(row, result)))
                .await;
        });
    }

    pub(super) fn drop_index(&mut self, row: LedgerId, finding: &FindingId) {
        let made = self.made.get(finding).cloned();
        let Some((made, handle)) = made.and_then(|made| Some((made.clone(), self.handle(&made)?)))
        else {
            self.finish(
                row,
                Err((
                    LedgerStatus::Refused,
                    "the index is not known any more".into(),
                )),
            );
            return;
        };
        let events = self.events.clone();
        tokio::spawn(async move {
            let result = ddl::drop_index(&handle, &made.index)
                .await
                .map(|()| Done {
                    message: format!("dropped {}", made.index.name),
                    credited: true,
                })
                .map_err(|error| failure(&error));
            let _ = events
                .send(Event::Act(super::Event::Done(row, result)))
                .await;
        });
    }

    /// Asks the database, beside the tick, whether it still uses what helped; gives back what needs no asking.
    ///
    /// Who drops an index while it is measured, or makes a better one, has another merit than ours.
    pub(super) fn confirm(&self, row: LedgerId, outcome: Outcome) -> Option<Outcome> {
        let made = self.ledger.row(row).and_then(|row| self.made_for(row));
        let made = made.and_then(|finding| self.made.get(&finding));
        let Some((made, handle)) = made
            .filter(|_| outcome.verdict == Verdict::Helped)
            .and_then(|made| Some((made.clone(), self.handle(made)?)))
        else {
            return Some(outcome);
        };
        let events = self.events.clone();
        tokio::spawn(async move {
            // A database that does not answer must not keep the row open.
            let used = tokio::time::timeout(CONFIRM, is_used(&handle, &made)).await;
            let mut outcome = outcome;
            let note = match used {
                Ok(Ok(true)) => None,
                Ok(Ok(false)) => Some("the database does not use it any more"),
                Ok(Err(_)) | Err(_) => Some("the database could not be asked whether it uses it"),
            };
            if note.is_some() {
                outcome.verdict = Verdict::NoChange;
            }
            let measured = super::Event::Measured(row, Box::new(outcome), note);
            let _ = events.send(Event::Act(measured)).await;
        });
        None
    }

    /// The statements and the route that an action is about.
    pub(super) fn subject(&self, job: &Job) -> Subject {
        let (made, finding) = match job {
            Job::CreateIndex { finding } => (self.verified.proposals.get(finding), finding),
            Job::DropIndex { finding } => (self.made.get(finding), finding),
            Job::ClearCache { .. }
            | Job::RestoreCache { .. }
            | Job::ClearAlerts
            | Job::ResizeCache { .. }
            | Job::SetCacheTtl { .. }
            | Job::WarmCache { .. }
            | Job::OptimizeCaches { .. }
            | Job::ResetCache { .. } => return Subject::default(),
        };
        let found = self
            .verdicts
            .findings
            .iter()
            .find(|found| found.id == *finding);
        Subject {
            queries: made
                .map(|made| made.statements.iter().map(|(query, _)| *query).collect())
                .unwrap_or_default(),
            route: found.and_then(|found| found.impact.route.clone()),
        }
    }

    /// The finding whose index an earlier row made.
    pub(super) fn made_for(&self, row: &LedgerRow) -> Option<FindingId> {
        let made = self
            .made
            .iter()
            .find(|(_, made)| made.index.name == row.target);
        made.map(|(finding, _)| finding.clone())
    }

    fn ask_first(
        &self,
        caller: Caller,
        reply: Reply,
        handle: Handle,
        made: Made,
        mut draft: Draft,
    ) {
        let events = self.events.clone();
        tokio::spawn(async move {
            let drafted = match ddl::preflight(&handle, &made.index).await {
                Ok(preflight) if preflight.exists => Err(Refusal::new(
                    RefusalCode::Drifted,
                    format!(
                        "an index that does the same is on {} already",
                        made.index.table
                    ),
                )),
                Ok(preflight) => {
                    draft.notes = preflight.notes;
                    draft.state = preflight.state_hash;
                    Ok(Box::new(draft))
                }
                Err(error) => Err(refusal(&error)),
            };
            let drafted = super::Event::Drafted(caller, reply, drafted);
            let _ = events.send(Event::Act(drafted)).await;
        });
    }

    fn proposal(&self, finding: &FindingId) -> Option<(Handle, Made)> {
        let made = self.verified.proposals.get(finding)?;
        Some((self.handle(made)?, made.clone()))
    }

    fn handle(&self, made: &Made) -> Option<Handle> {
        self.pools.get(made.pool)?.handle
    }
}

/// Looks again, creates, and asks the database whether its plans use the index; returns that.
async fn create(
    handle: &Handle,
    made: &Made,
    state: u64,
    progress: impl Fn(String) + Send,
) -> Result<bool, Failure> {
    let failed = |error: crate::database::Error| failure(&error);
    let preflight = ddl::preflight(handle, &made.index).await.map_err(failed)?;
    if preflight.exists || preflight.state_hash != state {
        return Err((
            LedgerStatus::Refused,
            format!(
                "{} has changed since the preview: look again",
                made.index.table
            ),
        ));
    }
    ddl::create_index(handle, &made.index, progress)
        .await
        .map_err(failed)?;
    Ok(is_used(handle, made).await.unwrap_or(false))
}

/// Whether the plan of a statement that the index was made for uses it.
async fn is_used(handle: &Handle, made: &Made) -> Result<bool, crate::database::Error> {
    for (_, text) in &made.statements {
        if plan_uses(handle, text, &made.index.name).await? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn failure(error: &crate::database::Error) -> Failure {
    let status = if error.is_refused() {
        LedgerStatus::Refused
    } else {
        LedgerStatus::Failed
    };
    (status, error.to_string())
}

fn refusal(error: &crate::database::Error) -> Refusal {
    let code = if error.is_busy() {
        RefusalCode::Busy
    } else {
        RefusalCode::Failed
    };
    Refusal::new(code, error.to_string())
}
