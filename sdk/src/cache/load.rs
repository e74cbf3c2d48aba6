//! From a look-up to an answer: hit, lead a load, or join one.
//!
//! A load that owns all it needs runs in a task of its own, so a caller that goes away doesn't stop it; one that borrows
//! runs in its caller. Answers that aren't cached (errors, an absent value) are passed to those who joined if they can
//! be cloned; else each of those loads for itself.

use std::any::Any;
use std::future::Future;
use std::panic::{catch_unwind, resume_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{Either, select};
use tokio::runtime::Handle;
use tracing::Instrument;

use super::chain::Panic;
use super::flight::{Flight, Outcome};
use super::key::{KeyWriter, Probe};
use super::life::Age;
use super::local::Slot;
use super::space::{How, Refreshing, Space, Turn};
use super::stamp::Stripes;
use super::values::Values;

mod refusal;
mod running;

pub use refusal::Refusal;
use running::{Duty, Running};

/// What a call brings to its namespace.
pub(super) struct Call<'a, V, E> {
    pub(super) space: &'a Arc<Space>,
    pub(super) site: u32,
    pub(super) key: &'a KeyWriter,
    /// The hashes of the tags that its entry is to have.
    pub(super) tags: &'a [u64],
    /// The stripes of the tables that it is read from.
    pub(super) tables: &'a [u16],
    pub(super) values: Values<V>,
    pub(super) refusal: Refusal<E>,
}

/// What a look-up leaves to do.
enum Step<V, E> {
    Answer(Result<V, E>),
    /// Answer with the value, and load beside.
    Refresh(V, Duty, Spare, Refreshing),
    Load(Duty, Spare),
}

/// The entry that was kept for a load that fails.
type Spare = Option<Arc<Slot>>;

/// A look-up that is being counted: each miss ends as a load, or as joined if it doesn't get that far.
struct Asked<'a> {
    space: &'a Space,
    /// What its key is sampled by.
    hash: u64,
    stripes: &'a Stripes,
    /// How long the entry is to be fresh, if its function says so.
    ttl: Option<Duration>,
    missed: bool,
    loading: bool,
}

/// Answers from the cache or by a load in a task of its own.
///
/// Without a runtime around, the load runs in its caller.
pub(super) async fn spawned<V, E, L>(call: Call<'_, V, E>, load: impl FnOnce() -> L) -> Result<V, E>
where
    V: Any + Clone + Send + Sync,
    E: Send + 'static,
    L: Future<Output = Result<V, E>> + Send + 'static,
{
    let (duty, spare) = match call.step(How::Task).await {
        Step::Answer(answer) => return answer,
        Step::Refresh(value, duty, spare, place) => {
            call.refresh(duty, spare, place, load);
            return Ok(value);
        }
        Step::Load(duty, spare) => (duty, spare),
    };
    #[cfg(feature = "query-cache")]
    if call.values.on_tables {
        super::query::seen::note_unseen();
    }
    let running = Running::new(&call, duty, spare.clone());
    let Ok(runtime) = Handle::try_current() else {
        return running.inline(call.probe(), load()).await;
    };
    let load = running.load(&call, load());
    let task = runtime.spawn(running.complete(load).in_current_span());
    let patience = spare.as_ref().and_then(|_| call.space.soft_timeout());
    // Given up, it goes on: nobody may be left to hear it, and the value is in the map all the same.
    match within_reason(patience, task).await {
        Some(Ok(answer)) => call
            .or_spare(answer, spare.as_deref())
            .unwrap_or_else(|panic| resume_unwind(panic)),
        // What a value's own code did, as its clone.
        Some(Err(ended)) if ended.is_panic() => resume_unwind(ended.into_panic()),
        // The runtime is going down and took the task along; this caller goes with it.
        Some(Err(_)) => std::future::pending().await,
        None => match call.spare(spare.as_deref()) {
            Some(value) => Ok(value),
            // There was one when the wait began, of this type.
            None => std::future::pending().await,
        },
    }
}

/// Loads what isn't there though nobody asks for it, and counts it as a refresh; `None` if it is there, or another loads it.
pub(super) async fn warmed<V, E, L>(call: Call<'_, V, E>, load: impl FnOnce() -> L) -> Option<bool>
where
    V: Any + Clone + Send + Sync,
    L: Future<Output = Result<V, E>>,
{
    let turn = call
        .space
        .turn::<V>(&call.probe(), &call.stripes(), How::Caller);
    let Turn::Lead(lead, spare) = turn else {
        return None;
    };
    let _place = call.space.refreshing()?;
    call.space.count(|meter| &meter.refreshes);
    let running = Running::new(&call, Duty::Lead(lead), spare);
    let output = running.run(call.probe(), load()).await;
    Some(matches!(output, Ok(Ok(_))))
}

/// Answers from the cache or by a load in the caller.
pub(super) async fn inline<V, E, L>(call: Call<'_, V, E>, load: impl FnOnce() -> L) -> Result<V, E>
where
    V: Any + Clone + Send + Sync,
    L: Future<Output = Result<V, E>>,
{
    match call.step(How::Caller).await {
        Step::Answer(answer) => answer,
        // No caller that has to load itself is asked to refresh.
        Step::Refresh(_, duty, spare, _) | Step::Load(duty, spare) => {
            let running = Running::new(&call, duty, spare.clone());
            let output = running.run(call.probe(), load()).await;
            call.or_spare(output, spare.as_deref())
                .unwrap_or_else(|panic| resume_unwind(panic))
        }
    }
}

/// Answers from the cache or by a load on this thread.
pub(super) fn blocking<V, E>(
    call: &Call<'_, V, E>,
    load: impl FnOnce() -> Result<V, E>,
) -> Result<V, E>
where
    V: Any + Clone + Send + Sync,
{
    let (duty, spare) = match call.block() {
        Step::Answer(answer) => return answer,
        Step::Refresh(_, duty, spare, _) | Step::Load(duty, spare) => (duty, spare),
    };
    let output = Running::new(call, duty, spare.clone()).block(call.probe(), load);
    call.or_spare(output, spare.as_deref())
        .unwrap_or_else(|panic| resume_unwind(panic))
}

/// Waits so long, if there is a limit and the runtime has a timer; `None` if the time is over.
async fn within_reason<F: Future>(limit: Option<Duration>, waited: F) -> Option<F::Output> {
    // A runtime without a timer says so by a panic; then the wait is as long as it takes.
    let timer = limit.and_then(|limit| catch_unwind(|| tokio::time::sleep(limit)).ok());
    let Some(timer) = timer else {
        return Some(waited.await);
    };
    match select(pin!(waited), pin!(timer)).await {
        Either::Left((output, _)) => Some(output),
        Either::Right(_) => None,
    }
}

impl<V: Any + Clone + Send + Sync, E> Call<'_, V, E> {
    fn probe(&self) -> Probe<'_> {
        Probe::new(self.site, self.key, &self.space.shared.hasher)
    }

    fn stripes(&self) -> Stripes {
        Stripes::new(self.space.stripe(self.key), self.tags).on_tables(self.tables)
    }

    async fn step(&self, how: How) -> Step<V, E> {
        let probe = self.probe();
        let stripes = self.stripes();
        let own = self.values.fresh.or(self.values.ttl);
        let mut asked = Asked::new(self.space, probe.sampled_by(), &stripes, own);
        loop {
            let (flight, spare) = match self.turn(&probe, &stripes, &mut asked, how) {
                Ok(waiting) => waiting,
                Err(step) => return step,
            };
            let patience = spare.as_ref().and_then(|_| self.space.soft_timeout());
            let Some(outcome) = within_reason(patience, flight.wait()).await else {
                if let Some(value) = self.spare(spare.as_deref()) {
                    return Step::Answer(Ok(value));
                }
                continue;
            };
            if let Some(step) = self.landed(&probe, &stripes, &mut asked, outcome, spare) {
                return step;
            }
        }
    }

    fn block(&self) -> Step<V, E> {
        let probe = self.probe();
        let stripes = self.stripes();
        let own = self.values.fresh.or(self.values.ttl);
        let mut asked = Asked::new(self.space, probe.sampled_by(), &stripes, own);
        loop {
            let (flight, spare) = match self.turn(&probe, &stripes, &mut asked, How::Blocking) {
                Ok(waiting) => waiting,
                Err(step) => return step,
            };
            if let Some(step) = self.landed(&probe, &stripes, &mut asked, flight.block(), spare) {
                return step;
            }
        }
    }

    /// Takes one turn; `Ok` is a flight to wait for.
    fn turn(
        &self,
        probe: &Probe<'_>,
        stripes: &Stripes,
        asked: &mut Asked<'_>,
        how: How,
    ) -> Result<(Arc<Flight>, Spare), Step<V, E>> {
        match self.space.turn::<V>(probe, stripes, how) {
            Turn::Hit(slot, age) => match slot.value() {
                Some(value) => {
                    asked.hit(&slot, age);
                    Err(Step::Answer(Ok(value)))
                }
                // It holds the type, as the space has looked.
                None => Err(asked.load(Duty::Alone(None), None)),
            },
            Turn::Refresh(slot, age, lead, place) => Err(match slot.value() {
                Some(value) => {
                    asked.hit(&slot, age);
                    self.space.count(|meter| &meter.refreshes);
                    Step::Refresh(value, Duty::Lead(lead), Some(slot), place)
                }
                None => asked.load(Duty::Lead(lead), None),
            }),
            Turn::Lead(lead, spare) => Err(asked.load(Duty::Lead(lead), spare)),
            Turn::Alone(keep) => Err(asked.load(Duty::Alone(keep), None)),
            Turn::Join(flight, spare) => {
                asked.miss();
                Ok((flight, spare))
            }
        }
    }

    /// What a flight's outcome means for who joined it; `None` is another turn.
    fn landed(
        &self,
        probe: &Probe<'_>,
        stripes: &Stripes,
        asked: &mut Asked<'_>,
        outcome: Outcome,
        spare: Spare,
    ) -> Option<Step<V, E>> {
        let answer = match outcome {
            Outcome::Abandoned => return None,
            Outcome::Loaded(slot) => self.shared(&slot).map(Ok),
            Outcome::Refused(_) | Outcome::Panicked if spare.is_some() => {
                self.spare(spare.as_deref()).map(Ok)
            }
            Outcome::Refused(packed) => packed
                .zip(self.refusal.pack)
                .and_then(|(packed, pack)| (pack.unwrap)(&packed))
                .map(Err),
            Outcome::Panicked => None,
        };
        Some(match answer {
            Some(answer) => Step::Answer(answer),
            None => {
                let stamp = self.space.present(stripes);
                asked.load(Duty::Alone(Some((probe.store(), stamp))), spare)
            }
        })
    }

    /// The value of an entry that another's load made.
    ///
    /// Which tables that reads isn't known before its end, so the flight may be from before a change of them that this
    /// caller knows of.
    fn shared(&self, slot: &Slot) -> Option<V> {
        if !slot.stripes.tables().is_empty() && self.space.present(&slot.stripes) != slot.stamp {
            return None;
        }
        #[cfg(feature = "query-cache")]
        if !slot.stripes.tables().is_empty() {
            super::query::seen::note_slot(self.space, slot);
        }
        slot.value()
    }

    /// Loads in the background.
    fn refresh<L>(&self, duty: Duty, spare: Spare, place: Refreshing, load: impl FnOnce() -> L)
    where
        V: Send,
        E: Send + 'static,
        L: Future<Output = Result<V, E>> + Send + 'static,
    {
        let running = Running::new(self, duty, spare);
        let Ok(runtime) = Handle::try_current() else {
            return running.give_up();
        };
        let load = running.load(self, load());
        let task = async move {
            // An error or a panic has been counted, and there is nobody to hear of it.
            let _ = running.complete(load).await;
            drop(place);
        };
        drop(runtime.spawn(task.in_current_span()));
    }

    /// The kept entry's value where the load brought none.
    fn or_spare(
        &self,
        output: Result<Result<V, E>, Panic>,
        spare: Option<&Slot>,
    ) -> Result<Result<V, E>, Panic> {
        match output {
            Ok(Ok(value)) => Ok(Ok(value)),
            failed => self.spare(spare).map_or(failed, |value| Ok(Ok(value))),
        }
    }

    fn spare(&self, spare: Option<&Slot>) -> Option<V> {
        let value = spare?.value()?;
        self.space.count(|meter| &meter.fail_safe);
        Some(value)
    }
}

impl<'a> Asked<'a> {
    const fn new(space: &'a Space, hash: u64, stripes: &'a Stripes, ttl: Option<Duration>) -> Self {
        Self {
            space,
            hash,
            stripes,
            ttl,
            missed: false,
            loading: false,
        }
    }

    fn hit(&mut self, slot: &Slot, age: Age) {
        if self.missed {
            return;
        }
        self.space.count_hit(slot, Some(self.hash));
        match age {
            Age::Stale => self.space.count(|meter| &meter.stale_hits),
            Age::Spare => self.space.count(|meter| &meter.fail_safe),
            Age::Fresh | Age::Due | Age::Dead => {}
        }
    }

    fn miss(&mut self) {
        if !self.missed {
            self.missed = true;
            let asked = (self.hash, self.stripes, self.ttl);
            self.space.count_miss(Some(asked));
        }
    }

    fn load<V, E>(&mut self, duty: Duty, spare: Spare) -> Step<V, E> {
        self.miss();
        self.loading = true;
        Step::Load(duty, spare)
    }
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        if self.missed && !self.loading {
            self.space.count(|meter| &meter.joined);
        }
    }
}
