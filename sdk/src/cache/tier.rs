//! The tier that instances share, as a load sees it: asked before, and given what was loaded after.

use std::sync::Arc;
use std::time::Duration;

use super::key::KeyWriter;
use super::local::Slot;
use super::space::Space;
use super::values::Values;

/// A value from there, or kept there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kept {
    pub(super) age: Duration,
    /// How long it is fresh, from its load on; for ever, if that isn't said.
    pub(super) fresh: Option<Duration>,
    pub(super) cost: Duration,
}

/// What came of asking.
pub(super) enum Found<V> {
    Value(V, Kept),
    Load(Leave<V>),
}

/// The duty to count a miss as what it turns out to be; dropped, it loaded nothing.
pub(super) struct Owed {
    space: Arc<Space>,
    open: bool,
}

impl Kept {
    /// Of what was loaded just now.
    pub(super) const fn just(cost: Duration) -> Self {
        Self {
            age: Duration::ZERO,
            fresh: None,
            cost,
        }
    }
}

impl Owed {
    fn new(space: &Arc<Space>) -> Self {
        Self {
            space: Arc::clone(space),
            open: true,
        }
    }

    /// It loads.
    fn load(&mut self) {
        self.open = false;
        self.space.count(|meter| &meter.loads);
    }

    /// It needn't.
    fn hit(&mut self) {
        self.open = false;
        self.space.count(|meter| &meter.shared_hits);
    }
}

impl Drop for Owed {
    fn drop(&mut self) {
        if self.open {
            self.space.count(|meter| &meter.unloaded);
        }
    }
}

#[cfg(feature = "redis")]
pub(super) use with_redis::{Errand, Leave};
#[cfg(not(feature = "redis"))]
pub(super) use without::{Errand, Leave};

#[cfg(feature = "redis")]
mod with_redis {
    use std::sync::atomic::Ordering;

    use tokio::sync::OwnedSemaphorePermit;

    use super::super::remote::Remote;
    use super::super::remote::codec::Codec;
    use super::super::remote::lease::Lease;
    use super::super::remote::place::Place;
    use super::super::remote::values::{Answer, Fetched, Wanted};
    use super::*;

    /// One value to ask for.
    pub(in crate::cache) struct Errand<V> {
        remote: Arc<Remote>,
        codec: Codec<V>,
        place: Place,
        wanted: Wanted,
        owed: Owed,
    }

    /// The leave to load, and what to do with what comes of it.
    pub(in crate::cache) struct Leave<V> {
        /// For a load that fails.
        pub(in crate::cache) spare: Option<(V, Kept)>,
        lease: Option<(Lease, Codec<V>)>,
        /// A turn among the loads for which Redis isn't there; held until this is dropped.
        _turn: Option<OwnedSemaphorePermit>,
    }

    impl<V> Errand<V> {
        /// Makes the errand of a key's leader, if its function's values are shared.
        pub(in crate::cache) fn new(
            space: &Arc<Space>,
            values: &Values<V>,
            key: &KeyWriter,
            tags: &[u64],
            spare: Option<&Arc<Slot>>,
        ) -> Option<Self> {
            let codec = values.codec?;
            let remote = Arc::clone(space.shared.remote.as_ref()?);
            space.meter.in_redis.store(true, Ordering::Relaxed);
            let stripes = [&[space.stripe(key)], tags].concat();
            let (name, print) = (Arc::clone(&space.name), codec.fingerprint());
            let terms = space.lasts(values.ttl, false);
            let now = space.shared.tick.now();
            let wanted = Wanted {
                fresh: terms.ttl,
                spare: terms.stale.max(terms.fail_safe),
                held: spare.map_or(Duration::ZERO, |slot| slot.life.left(now)),
                cost: space.meter.usual_load(),
                but: None,
            };
            Some(Self {
                remote,
                codec,
                place: Place::new(name, codec.path, key.bytes(), print, &stripes),
                wanted,
                owed: Owed::new(space),
            })
        }

        pub(in crate::cache) async fn run(mut self) -> Found<V> {
            loop {
                let answer = self.remote.fetch(self.place.clone(), self.wanted).await;
                if let Some(found) = self.read(answer) {
                    return found;
                }
            }
        }

        pub(in crate::cache) fn block(mut self) -> Found<V> {
            loop {
                let answer = self.remote.fetch_blocking(self.place.clone(), self.wanted);
                if let Some(found) = self.read(answer) {
                    return found;
                }
            }
        }

        /// What an answer holds; `None` the first time that it turns out to be no such value, and is to be replaced.
        fn read(&mut self, answer: Answer) -> Option<Found<V>> {
            let (spare, lease, turn) = match answer {
                Answer::Value(fetched) => match self.codec.decode(&fetched.payload) {
                    Some(value) => {
                        self.owed.hit();
                        return Some(Found::Value(value, Kept::from(&fetched)));
                    }
                    None => {
                        self.remote.tally.undecoded();
                        self.wanted.but.replace(fetched.token)?;
                        (None, None, None)
                    }
                },
                Answer::Load(spare, lease) => {
                    self.owed.space.count(|meter| &meter.shared_misses);
                    (spare, lease, None)
                }
                Answer::Alone(turn) => (None, None, turn),
            };
            self.owed.load();
            let spare = spare.and_then(|fetched| {
                let value = self.codec.decode(&fetched.payload)?;
                Some((value, Kept::from(&fetched)))
            });
            Some(Found::Load(Leave {
                spare,
                lease: lease.map(|lease| (lease, self.codec)),
                _turn: turn,
            }))
        }
    }

    impl<V> Leave<V> {
        /// For a load that nobody shares.
        pub(in crate::cache) const fn alone() -> Self {
            Self {
                spare: None,
                lease: None,
                _turn: None,
            }
        }

        /// Passes on what was loaded.
        pub(in crate::cache) fn fill(&mut self, value: &V, slot: &Slot) {
            if let Some((lease, codec)) = self.lease.take() {
                let (fresh, spare) = slot.life.lasts();
                lease.fill(codec.encode(value), fresh, spare, slot.life.cost());
            }
        }
    }

    impl From<&Fetched> for Kept {
        fn from(fetched: &Fetched) -> Self {
            Self {
                age: fetched.age,
                fresh: fetched.fresh,
                cost: fetched.cost,
            }
        }
    }
}

/// Nothing is shared.
#[cfg(not(feature = "redis"))]
mod without {
    use std::convert::Infallible;

    use super::*;

    pub(in crate::cache) struct Errand<V>(Infallible, Owed, Found<V>);

    pub(in crate::cache) struct Leave<V> {
        pub(in crate::cache) spare: Option<(V, Kept)>,
    }

    impl<V> Errand<V> {
        pub(in crate::cache) const fn new(
            _: &Arc<Space>,
            _: &Values<V>,
            _: &KeyWriter,
            _: &[u64],
            _: Option<&Arc<Slot>>,
        ) -> Option<Self> {
            None
        }

        pub(in crate::cache) async fn run(self) -> Found<V> {
            match self.0 {}
        }

        pub(in crate::cache) fn block(self) -> Found<V> {
            match self.0 {}
        }
    }

    impl<V> Leave<V> {
        pub(in crate::cache) const fn alone() -> Self {
            Self { spare: None }
        }

        #[expect(clippy::unused_self, reason = "another build passes it on")]
        pub(in crate::cache) const fn fill(&mut self, _: &V, _: &Slot) {}
    }
}
