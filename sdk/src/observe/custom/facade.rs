//! What is recorded through the `metrics` facade.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use foldhash::fast::RandomState;
use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Label, Metadata,
    SharedString, Unit,
};

use super::stripe::{self, STRIPES};
use super::{About, Kind, MAX_NAMES};
use crate::observe::Eyes;

/// A recorder for the `metrics` facade, made by [`crate::Deck::metrics_recorder`].
///
/// What the service and its libraries record by `metrics::counter!`, `gauge!` and `histogram!` shows beside the deck's own
/// numbers. A name with labels is one number, named as Prometheus does it, `jobs{queue="mail"}`, with its labels in order.
/// Names are bounded as [`crate::Deck::counter`] says.
///
/// The facade has room for one recorder in a process, and the deck never takes it by itself: the service installs this one
/// where it would install another, and puts the other [beside](Self::beside) it. While the deck is off only the other
/// records.
///
/// # Examples
///
/// ```
/// # let deck = perfdeck::Builder::new("facade").start_or_off().1;
/// metrics::set_global_recorder(deck.metrics_recorder())?;
/// metrics::counter!("jobs", "queue" => "mail").increment(1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "it records once it is installed"]
pub struct Recorder {
    ours: Option<Ours>,
    others: Vec<Box<dyn metrics::Recorder + Send + Sync>>,
}

/// The longest key that is remembered, in bytes with its labels; a longer one is found by its name each time.
const MAX_KEY: usize = 1_024;

/// The deck, and the handles that were given out.
struct Ours {
    eyes: &'static Eyes,
    /// By the stripe of the thread that asks: `counter!` asks each time, and threads then don't meet at a lock or a count
    /// of references.
    known: [Known; STRIPES],
}

#[derive(Default)]
#[repr(align(128))]
struct Known(RwLock<Handles>);

#[derive(Default)]
struct Handles {
    counters: HashMap<Key, Arc<crate::Counter>, RandomState>,
    gauges: HashMap<Key, Arc<crate::Gauge>, RandomState>,
    histograms: HashMap<Key, Arc<crate::Histogram>, RandomState>,
}

impl Recorder {
    pub(crate) fn new(eyes: Option<&'static Eyes>) -> Self {
        Self {
            ours: eyes.map(|eyes| Ours {
                eyes,
                known: Default::default(),
            }),
            others: Vec::new(),
        }
    }

    /// Records in another recorder, too, of Prometheus say, which sees the same calls as if it were alone.
    ///
    /// # Examples
    ///
    /// ```
    /// # let deck = perfdeck::Builder::new("beside").start_or_off().1;
    /// # let prometheus = metrics::NoopRecorder;
    /// metrics::set_global_recorder(deck.metrics_recorder().beside(prometheus))?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn beside(mut self, other: impl metrics::Recorder + Send + Sync + 'static) -> Self {
        self.others.push(Box::new(other));
        self
    }

    fn describe(&self, kind: Kind, key: &KeyName, unit: Option<Unit>, description: &str) {
        if let Some(ours) = &self.ours {
            let about = About {
                unit: unit.map(|unit| unit.as_str().to_owned()),
                description: (!description.is_empty()).then(|| description.to_owned()),
            };
            ours.eyes.custom.describe(kind, key.as_str(), about);
        }
    }
}

impl metrics::Recorder for Recorder {
    fn describe_counter(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.describe(Kind::Counter, &key, unit, &description);
        for other in &self.others {
            other.describe_counter(key.clone(), unit, description.clone());
        }
    }

    fn describe_gauge(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.describe(Kind::Gauge, &key, unit, &description);
        for other in &self.others {
            other.describe_gauge(key.clone(), unit, description.clone());
        }
    }

    fn describe_histogram(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.describe(Kind::Histogram, &key, unit, &description);
        for other in &self.others {
            other.describe_histogram(key.clone(), unit, description.clone());
        }
    }

    fn register_counter(&self, key: &Key, metadata: &Metadata<'_>) -> Counter {
        let ours = self.ours.as_ref().map(|ours| {
            let make = |name: &str| ours.eyes.custom.counter(name);
            let known = |counter: &crate::Counter| counter.0.is_kept();
            Counter::from_arc(ours.find(
                key,
                |all| &all.counters,
                |all| &mut all.counters,
                make,
                known,
            ))
        });
        let others = self
            .others
            .iter()
            .map(|other| other.register_counter(key, metadata));
        let all = ours.into_iter().chain(others);
        all.reduce(|a, b| Counter::from_arc(Arc::new(Both(a, b))))
            .unwrap_or_else(Counter::noop)
    }

    fn register_gauge(&self, key: &Key, metadata: &Metadata<'_>) -> Gauge {
        let ours = self.ours.as_ref().map(|ours| {
            let make = |name: &str| ours.eyes.custom.gauge(name);
            let known = |gauge: &crate::Gauge| gauge.0.is_kept();
            Gauge::from_arc(ours.find(key, |all| &all.gauges, |all| &mut all.gauges, make, known))
        });
        let others = self
            .others
            .iter()
            .map(|other| other.register_gauge(key, metadata));
        let all = ours.into_iter().chain(others);
        all.reduce(|a, b| Gauge::from_arc(Arc::new(Both(a, b))))
            .unwrap_or_else(Gauge::noop)
    }

    fn register_histogram(&self, key: &Key, metadata: &Metadata<'_>) -> Histogram {
        let ours = self.ours.as_ref().map(|ours| {
            let make = |name: &str| ours.eyes.custom.histogram(name);
            let known = |histogram: &crate::Histogram| histogram.0.is_kept();
            Histogram::from_arc(ours.find(
                key,
                |all| &all.histograms,
                |all| &mut all.histograms,
                make,
                known,
            ))
        });
        let others = self
            .others
            .iter()
            .map(|other| other.register_histogram(key, metadata));
        let all = ours.into_iter().chain(others);
        all.reduce(|a, b| Histogram::from_arc(Arc::new(Both(a, b))))
            .unwrap_or_else(Histogram::noop)
    }
}

impl Ours {
    /// Returns the handle of a key. Those that are kept are remembered, up to as many as there can be names: labels in
    /// another order are another key of the same name.
    fn find<H>(
        &self,
        key: &Key,
        all: impl FnOnce(&Handles) -> &HashMap<Key, Arc<H>, RandomState>,
        all_mut: impl FnOnce(&mut Handles) -> &mut HashMap<Key, Arc<H>, RandomState>,
        make: impl FnOnce(&str) -> H,
        kept: impl FnOnce(&H) -> bool,
    ) -> Arc<H> {
        let Some(known) = self.known.get(stripe::own()) else {
            return Arc::new(make(&name(key)));
        };
        {
            let handles = known.0.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(handle) = all(&handles).get(key) {
                return Arc::clone(handle);
            }
        }
        let handle = Arc::new(make(&name(key)));
        let bytes = retained(key);
        if !kept(&handle) || bytes > MAX_KEY {
            return handle;
        }
        let mut handles = known.0.write().unwrap_or_else(PoisonError::into_inner);
        let handles = all_mut(&mut handles);
        if handles.len() < MAX_NAMES
            && handles
                .insert(key.to_retained(), Arc::clone(&handle))
                .is_none()
        {
            let entry = size_of::<(Key, Arc<H>, H)>() + bytes;
            self.eyes.custom.remembers(entry);
        }
        handle
    }
}

/// What remembering a key takes beside itself, in bytes.
fn retained(key: &Key) -> usize {
    let labels = key.labels();
    let labels = labels.map(|label| size_of::<Label>() + label.key().len() + label.value().len());
    key.name().len() + labels.sum::<usize>()
}

/// Two handles of one number.
struct Both<T>(T, T);

impl CounterFn for Both<Counter> {
    fn increment(&self, value: u64) {
        self.0.increment(value);
        self.1.increment(value);
    }

    fn absolute(&self, value: u64) {
        self.0.absolute(value);
        self.1.absolute(value);
    }
}

impl GaugeFn for Both<Gauge> {
    fn increment(&self, value: f64) {
        self.0.increment(value);
        self.1.increment(value);
    }

    fn decrement(&self, value: f64) {
        self.0.decrement(value);
        self.1.decrement(value);
    }

    fn set(&self, value: f64) {
        self.0.set(value);
        self.1.set(value);
    }
}

impl HistogramFn for Both<Histogram> {
    fn record(&self, value: f64) {
        self.0.record(value);
        self.1.record(value);
    }

    fn record_many(&self, value: f64, count: usize) {
        self.0.record_many(value, count);
        self.1.record_many(value, count);
    }
}

impl CounterFn for crate::Counter {
    fn increment(&self, value: u64) {
        self.add(value);
    }

    fn absolute(&self, value: u64) {
        self.lift(value);
    }
}

impl GaugeFn for crate::Gauge {
    fn increment(&self, value: f64) {
        self.add(value);
    }

    fn decrement(&self, value: f64) {
        self.add(-value);
    }

    fn set(&self, value: f64) {
        Self::set(self, value);
    }
}

impl HistogramFn for crate::Histogram {
    fn record(&self, value: f64) {
        Self::record(self, value);
    }

    fn record_many(&self, value: f64, count: usize) {
        Self::record_many(self, value, count as u64);
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder")
            .field("on", &self.ours.is_some())
            .field("others", &self.others.len())
            .finish()
    }
}

/// Tells a key as Prometheus does: the name, and its labels in the order of theirs.
fn name(key: &Key) -> String {
    let mut labels: Vec<_> = key
        .labels()
        .map(|label| (label.key(), label.value()))
        .collect();
    labels.sort_unstable();
    let mut name = key.name().to_owned();
    for (place, (label, value)) in labels.into_iter().enumerate() {
        name.push(if place == 0 { '{' } else { ',' });
        name.push_str(label);
        name.push_str("=\"");
        for char in value.chars() {
            match char {
                '\n' => name.push_str("\\n"),
                '\\' | '"' => name.extend(['\\', char]),
                char => name.push(char),
            }
        }
        name.push('"');
        if place + 1 == key.labels().len() {
            name.push('}');
        }
    }
    name
}
