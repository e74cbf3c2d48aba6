//! From a look-up to an answer: hit, lead a load, or join one.
//!
//! A load that owns all it needs runs in a task of its own, so a caller that goes away doesn't stop it; one that borrows
//! runs in its caller. Answers that aren't cached (errors, an absent value) are passed to those who joined if they can
//! be cloned; else each of those loads for itself.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tracing::Instrument;

use super::chain::{self, Chain, Charge, Load, Panic};
use super::flight::{Flight, Lead, Outcome, Packed};
use super::key::{KeyWriter, Probe, StoredKey};
use super::space::{Space, Turn};
use super::stamp::Stamp;
use crate::clock::Moment;
use crate::record::trail::Kind;

/// How an answer that isn't cached is counted, and how it gets to those who joined.
#[derive(Debug)]
pub struct Refusal<E> {
    is_error: bool,
    pack: Option<Pack<E>>,
}

#[derive(Debug)]
struct Pack<E> {
    wrap: fn(&E) -> Packed,
    unwrap: fn(&Packed) -> Option<E>,
}

/// What a call brings to its namespace.
pub(super) struct Call<'a, E> {
    pub(super) space: &'a Arc<Space>,
    pub(super) site: u32,
    pub(super) key: &'a KeyWriter,
    /// The longest time to live that the function wants.
    pub(super) ttl: Option<Duration>,
    pub(super) refusal: Refusal<E>,
}

/// What a look-up leaves to do.
enum Step<V, E> {
    Answer(Result<V, E>),
    Load(Duty),
}

/// Who else wants the load, and whether it is kept.
enum Duty {
    Lead(Lead),
    Alone(Option<(StoredKey, Stamp)>),
}

/// A look-up that is being counted: each miss ends as a load, or as joined if it doesn't get that far.
struct Asked<'a> {
    space: &'a Space,
    missed: bool,
    loading: bool,
}

/// A load that has begun.
struct Running<E> {
    space: Arc<Space>,
    duty: Duty,
    ttl: Option<Duration>,
    refusal: Refusal<E>,
    since: Moment,
}

/// Answers from the cache or by a load in a task of its own.
///
/// Without a runtime around, the load runs in its caller.
pub(super) async fn spawned<V, E, L>(call: Call<'_, E>, load: impl FnOnce() -> L) -> Result<V, E>
where
    V: Any + Clone + Send + Sync,
    E: Send + 'static,
    L: Future<Output = Result<V, E>> + Send + 'static,
{
    let duty = match call.step().await {
        Step::Answer(answer) => return answer,
        Step::Load(duty) => duty,
    };
    let running = Running::new(&call, duty);
    let Ok(runtime) = Handle::try_current() else {
        return running.inline(call.probe(), load()).await;
    };
    let load = Load::new(
        load(),
        running.chain(call.probe()),
        Charge::present(call.space.number),
    );
    let (answer, answered) = oneshot::channel();
    let task = async move {
        // Nobody may be left to hear it; the value is in the map all the same.
        let _ = answer.send(running.finish(load.await));
    };
    drop(runtime.spawn(task.in_current_span()));
    match answered.await {
        Ok(answer) => answer.unwrap_or_else(|panic| resume_unwind(panic)),
        // The runtime is going down and took the task along; this caller goes with it.
        Err(_) => std::future::pending().await,
    }
}

/// Answers from the cache or by a load in the caller.
pub(super) async fn inline<V, E, L>(call: Call<'_, E>, load: impl FnOnce() -> L) -> Result<V, E>
where
    V: Any + Clone + Send + Sync,
    L: Future<Output = Result<V, E>>,
{
    match call.step().await {
        Step::Answer(answer) => answer,
        Step::Load(duty) => Running::new(&call, duty).inline(call.probe(), load()).await,
    }
}

/// Answers from the cache or by a load on this thread.
pub(super) fn blocking<V, E>(
    call: &Call<'_, E>,
    load: impl FnOnce() -> Result<V, E>,
) -> Result<V, E>
where
    V: Any + Clone + Send + Sync,
{
    let duty = match call.block() {
        Step::Answer(answer) => return answer,
        Step::Load(duty) => duty,
    };
    let running = Running::new(call, duty);
    let chain = running.chain(call.probe());
    let output = chain::within(chain, || catch_unwind(AssertUnwindSafe(load)));
    running
        .finish(output)
        .unwrap_or_else(|panic| resume_unwind(panic))
}

impl<E> Refusal<E> {
    /// Makes an error that everybody who joined gets a clone of.
    #[must_use]
    pub fn shared() -> Self
    where
        E: Clone + Send + Sync + 'static,
    {
        let pack = Pack {
            wrap: |answer: &E| Arc::new(answer.clone()),
            unwrap: |packed| packed.downcast_ref::<E>().cloned(),
        };
        Self {
            is_error: true,
            pack: Some(pack),
        }
    }

    /// Makes an error that can't be cloned: everybody who joined loads for himself.
    #[must_use]
    pub const fn alone() -> Self {
        Self {
            is_error: true,
            pack: None,
        }
    }

    /// Counts it as an answer like another, such as an absent value.
    #[must_use]
    pub const fn no_error(self) -> Self {
        Self {
            is_error: false,
            ..self
        }
    }
}

impl<E> Copy for Refusal<E> {}

impl<E> Clone for Refusal<E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<E> Copy for Pack<E> {}

impl<E> Clone for Pack<E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<E> Call<'_, E> {
    fn probe(&self) -> Probe<'_> {
        Probe::new(self.site, self.key, &self.space.shared.hasher)
    }

    async fn step<V: Any + Clone>(&self) -> Step<V, E> {
        let probe = self.probe();
        let mut asked = Asked::new(self.space);
        loop {
            let flight = match self.turn(&probe, &mut asked, false) {
                Ok(flight) => flight,
                Err(step) => return step,
            };
            let outcome = flight.wait().await;
            if let Some(step) = self.landed(&probe, &mut asked, outcome) {
                return step;
            }
        }
    }

    fn block<V: Any + Clone>(&self) -> Step<V, E> {
        let probe = self.probe();
        let mut asked = Asked::new(self.space);
        loop {
            let flight = match self.turn(&probe, &mut asked, true) {
                Ok(flight) => flight,
                Err(step) => return step,
            };
            if let Some(step) = self.landed(&probe, &mut asked, flight.block()) {
                return step;
            }
        }
    }

    /// Takes one turn; `Ok` is a flight to wait for.
    fn turn<V: Any + Clone>(
        &self,
        probe: &Probe<'_>,
        asked: &mut Asked<'_>,
        blocking: bool,
    ) -> Result<Arc<Flight>, Step<V, E>> {
        match self.space.turn(probe, blocking) {
            Turn::Hit(value) => {
                asked.hit();
                Err(Step::Answer(Ok(value)))
            }
            Turn::Lead(lead) => Err(asked.load(Duty::Lead(lead))),
            Turn::Alone(keep) => Err(asked.load(Duty::Alone(keep))),
            Turn::Join(flight) => {
                asked.miss();
                Ok(flight)
            }
        }
    }

    /// What a flight's outcome means for who joined it; `None` is another turn.
    fn landed<V: Any + Clone>(
        &self,
        probe: &Probe<'_>,
        asked: &mut Asked<'_>,
        outcome: Outcome,
    ) -> Option<Step<V, E>> {
        let answer = match outcome {
            Outcome::Abandoned => return None,
            Outcome::Loaded(slot) => slot.value().map(Ok),
            Outcome::Refused(packed) => packed
                .zip(self.refusal.pack)
                .and_then(|(packed, pack)| (pack.unwrap)(&packed))
                .map(Err),
            Outcome::Panicked => None,
        };
        Some(match answer {
            Some(answer) => Step::Answer(answer),
            None => {
                let stamp = self.space.stamps.read(probe.stripe());
                asked.load(Duty::Alone(Some((probe.store(), stamp))))
            }
        })
    }
}

impl<'a> Asked<'a> {
    const fn new(space: &'a Space) -> Self {
        Self {
            space,
            missed: false,
            loading: false,
        }
    }

    fn hit(&mut self) {
        if !self.missed {
            self.space.count_hit();
        }
    }

    fn miss(&mut self) {
        if !self.missed {
            self.missed = true;
            self.space.count_miss();
        }
    }

    fn load<V, E>(&mut self, duty: Duty) -> Step<V, E> {
        self.miss();
        self.loading = true;
        self.space.count(|meter| &meter.loads);
        Step::Load(duty)
    }
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        if self.missed && !self.loading {
            self.space.count(|meter| &meter.joined);
        }
    }
}

impl<E> Running<E> {
    fn new(call: &Call<'_, E>, duty: Duty) -> Self {
        Self {
            space: Arc::clone(call.space),
            duty,
            ttl: call.ttl,
            refusal: call.refusal,
            since: call.space.shared.clock.now(),
        }
    }

    fn chain(&self, probe: Probe<'_>) -> Chain {
        let key = match &self.duty {
            Duty::Lead(lead) => lead.key().clone(),
            Duty::Alone(_) => probe.store(),
        };
        chain::extended(self.space.address(), key)
    }

    async fn inline<V, L>(self, probe: Probe<'_>, load: L) -> Result<V, E>
    where
        V: Any + Clone + Send + Sync,
        L: Future<Output = Result<V, E>>,
    {
        let output = Load::new(load, self.chain(probe), None).await;
        self.finish(output)
            .unwrap_or_else(|panic| resume_unwind(panic))
    }

    /// Keeps and passes on what the load brought.
    fn finish<V>(self, output: Result<Result<V, E>, Panic>) -> Result<Result<V, E>, Panic>
    where
        V: Any + Clone + Send + Sync,
    {
        let Self {
            space,
            duty,
            ttl,
            refusal,
            since,
        } = self;
        if space.shared.metered {
            let took = space.shared.clock.now().since(since);
            space.meter.loaded(took);
            let nanos = took.as_nanos() as u64;
            crate::record::scope::step(Kind::CacheLoad, space.number, nanos);
        }
        match &output {
            Ok(Ok(value)) => match duty {
                Duty::Lead(lead) => {
                    let slot = space.slot(value.clone(), lead.stamp(), ttl);
                    space.fill(lead.key().clone(), &slot);
                    lead.settle(Outcome::Loaded(slot));
                }
                Duty::Alone(Some((key, stamp))) => {
                    space.fill(key, &space.slot(value.clone(), stamp, ttl));
                }
                Duty::Alone(None) => {}
            },
            Ok(Err(refused)) => {
                if refusal.is_error {
                    space.count(|meter| &meter.load_errors);
                }
                if let Duty::Lead(lead) = duty {
                    lead.settle(Outcome::Refused(
                        refusal.pack.map(|pack| (pack.wrap)(refused)),
                    ));
                }
            }
            Err(_) => {
                space.count(|meter| &meter.load_errors);
                if let Duty::Lead(lead) = duty {
                    lead.settle(Outcome::Panicked);
                }
            }
        }
        output
    }
}
