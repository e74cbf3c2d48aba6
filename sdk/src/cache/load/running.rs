//! A load from its beginning to where its value is kept and passed on.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use super::super::chain::{self, Chain, Charge, Load, Panic};
use super::super::flight::{Lead, Outcome};
use super::super::key::{Probe, StoredKey};
use super::super::local::Slot;
use super::super::space::Space;
use super::super::stamp::{Stamp, Stripes};
use super::super::tier::{Errand, Found, Kept, Leave};
use super::super::values::Values;
#[cfg(feature = "query-cache")]
use super::super::{query::seen::Seen, watch};
use super::{Call, Refusal, Spare};
use crate::clock::Moment;
use crate::record::trail::Kind;

/// Who else wants the load, and whether it is kept.
pub(super) enum Duty {
    Lead(Lead),
    Alone(Option<(StoredKey, Stamp)>),
}

/// A load that has begun.
pub(super) struct Running<V, E> {
    space: Arc<Space>,
    duty: Duty,
    stripes: Stripes,
    spare: Spare,
    values: Values<V>,
    refusal: Refusal<E>,
    /// To ask those who share values first.
    errand: Option<Errand<V>>,
    since: Moment,
    /// What the stamps of the tables that it read add to its own.
    tables: u64,
}

impl<V: Any + Clone + Send + Sync, E> Running<V, E> {
    pub(super) fn new(call: &Call<'_, V, E>, duty: Duty, spare: Spare) -> Self {
        let space = call.space;
        let errand = match &duty {
            Duty::Lead(_) => Errand::new(space, &call.values, call.key, call.tags, spare.as_ref()),
            Duty::Alone(_) => None,
        };
        if errand.is_none() {
            space.count(|meter| &meter.loads);
        }
        Self {
            space: Arc::clone(space),
            duty,
            stripes: call.stripes(),
            spare,
            values: call.values,
            refusal: call.refusal,
            errand,
            since: space.shared.clock.now(),
            tables: 0,
        }
    }

    fn chain(&self, probe: Probe<'_>) -> Chain {
        let key = match &self.duty {
            Duty::Lead(lead) => lead.key().clone(),
            Duty::Alone(_) => probe.store(),
        };
        chain::extended(self.space.address(), key)
    }

    /// The load as a future that can move to a task.
    pub(super) fn load<L: Future>(&self, call: &Call<'_, V, E>, load: L) -> Load<L> {
        let charge = Charge::present(self.space.number);
        Load::new(load, self.chain(call.probe()), charge)
    }

    pub(super) async fn run<L>(self, probe: Probe<'_>, load: L) -> Result<Result<V, E>, Panic>
    where
        L: Future<Output = Result<V, E>>,
    {
        let load = Load::new(load, self.chain(probe), None);
        self.complete(load).await
    }

    pub(super) async fn inline<L>(self, probe: Probe<'_>, load: L) -> Result<V, E>
    where
        L: Future<Output = Result<V, E>>,
    {
        self.run(probe, load)
            .await
            .unwrap_or_else(|panic| resume_unwind(panic))
    }

    /// Asks those who share values, and loads unless they have it.
    pub(super) async fn complete<L>(mut self, load: Load<L>) -> Result<Result<V, E>, Panic>
    where
        L: Future<Output = Result<V, E>>,
    {
        let leave = match self.errand.take() {
            None => Leave::alone(),
            Some(errand) => match errand.run().await {
                Found::Value(value, kept) => return Ok(Ok(self.receive(value, kept))),
                Found::Load(leave) => leave,
            },
        };
        self.since = self.space.shared.clock.now();
        #[cfg(feature = "query-cache")]
        if self.values.on_tables {
            let (output, touched) = watch::reading(load).await;
            return self.finish_read(output, touched.read(), leave);
        }
        let output = load.await;
        self.finish(output, leave)
    }

    /// Ends a load whose value hangs on the tables that it read.
    #[cfg(feature = "query-cache")]
    fn finish_read(
        mut self,
        output: Result<Result<V, E>, Panic>,
        seen: Seen,
        leave: Leave<V>,
    ) -> Result<Result<V, E>, Panic> {
        if matches!(output, Ok(Ok(_))) {
            match seen.hold(&self.space) {
                Some(hold) => self.stripes = hold.on(self.stripes, &mut self.tables),
                // Its caller's own: others load for themselves.
                None => {
                    let duty = std::mem::replace(&mut self.duty, Duty::Alone(None));
                    if let Duty::Lead(lead) = duty {
                        lead.settle(Outcome::Refused(None));
                    }
                }
            }
        }
        self.finish(output, leave)
    }

    /// Does the same on this thread.
    pub(super) fn block(
        mut self,
        probe: Probe<'_>,
        load: impl FnOnce() -> Result<V, E>,
    ) -> Result<Result<V, E>, Panic> {
        let leave = match self.errand.take() {
            None => Leave::alone(),
            Some(errand) => match errand.block() {
                Found::Value(value, kept) => return Ok(Ok(self.receive(value, kept))),
                Found::Load(leave) => leave,
            },
        };
        self.since = self.space.shared.clock.now();
        let output = chain::within(self.chain(probe), || catch_unwind(AssertUnwindSafe(load)));
        self.finish(output, leave)
    }

    /// Ends without having loaded.
    pub(super) fn give_up(self) {
        // One that was to be asked for is counted as such.
        if self.errand.is_none() {
            self.space.count(|meter| &meter.load_errors);
        }
    }

    /// Keeps and passes on a value that another instance loaded.
    fn receive(self, value: V, kept: Kept) -> V {
        self.keep(value.clone(), kept);
        value
    }

    /// Keeps and passes on what the load brought.
    fn finish(
        self,
        output: Result<Result<V, E>, Panic>,
        mut leave: Leave<V>,
    ) -> Result<Result<V, E>, Panic> {
        let space = Arc::clone(&self.space);
        let took = space.shared.clock.now().since(self.since);
        if space.shared.metered {
            space.meter.loaded(took);
            let nanos = took.as_nanos() as u64;
            crate::record::scope::step(Kind::CacheLoad, space.number, nanos);
        }
        if let Ok(Ok(value)) = &output {
            if let Some(slot) = self.keep(value.clone(), Kept::just(took)) {
                leave.fill(value, &slot);
            }
            return output;
        }
        space.count(|meter| &meter.load_errors);
        if let Some(spare) = &self.spare {
            space.failed(spare);
        } else if let Some((value, kept)) = leave.spare.take() {
            space.count(|meter| &meter.fail_safe);
            if let Some(slot) = self.keep(value.clone(), kept) {
                space.failed(&slot);
            }
            return Ok(Ok(value));
        }
        if let Duty::Lead(lead) = self.duty {
            lead.settle(match &output {
                Ok(Err(refused)) => {
                    Outcome::Refused(self.refusal.pack.map(|pack| (pack.wrap)(refused)))
                }
                _ => Outcome::Panicked,
            });
        }
        output
    }

    /// Puts a value into the map and passes it to those who joined; returns the entry, if it is one to be kept.
    fn keep(self, value: V, kept: Kept) -> Option<Arc<Slot>> {
        let (space, former) = (&self.space, self.spare.as_ref());
        let (key, stamp) = match &self.duty {
            Duty::Lead(lead) => (lead.key(), lead.stamp()),
            Duty::Alone(Some((key, stamp))) => (key, *stamp),
            Duty::Alone(None) => return None,
        };
        let stamp = Stamp {
            stripes: stamp.stripes.wrapping_add(self.tables),
            ..stamp
        };
        let slot = space.slot(key, value, stamp, self.stripes, &self.values, kept);
        let is_kept = space.keep(key, &slot, &self.values, former);
        if let Duty::Lead(lead) = self.duty {
            lead.settle(Outcome::Loaded(Arc::clone(&slot)));
        }
        is_kept.then_some(slot)
    }
}
