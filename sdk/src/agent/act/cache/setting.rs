//! Changing how much a cache holds and for how long, and taking that back.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::Duration;

use perfdeck_bridge::protocol::{
    CacheCapacity, LedgerId, LedgerStatus, Refusal, RefusalCode, Risk, Undo,
};

use super::super::{Done, Failure};
use crate::act::{Draft, Job};
use crate::agent::Agent;
use crate::cache::{Changed, Policy, Row, Unit};

/// Times to live that are granted: from a second to a year.
const TTL: std::ops::RangeInclusive<u32> = 1..=365 * 24 * 60 * 60;
/// What an entry is taken to weigh at least.
const ENTRY: u64 = 100;
/// A cache may be so large a part of the memory that there is ...
const PART: u64 = 2;
/// ... of which so much is assumed where nobody says.
const MEMORY: u64 = 64 << 30;
/// Changes that can be taken back; the oldest goes first.
const ALTERED: usize = 256;

/// A change that may be taken back.
#[derive(Debug)]
pub(crate) struct Altered {
    pub(super) namespace: String,
    what: What,
    pub(super) from: Changed,
    pub(super) to: Changed,
    /// The share of look-ups that hit in the minute before, and their sums at the change.
    ratio: Option<f64>,
    sums: (u64, u64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    Capacity,
    Ttl,
}

impl Agent {
    pub(in crate::agent::act) fn draft_resize(
        &self,
        namespace: &str,
        capacity: CacheCapacity,
    ) -> Result<Draft, Refusal> {
        let row = self.cache_row(namespace)?;
        let (unit, wanted) = match capacity {
            CacheCapacity::Entries(entries) => (Unit::Entries, entries),
            CacheCapacity::Bytes(bytes) => (Unit::Bytes, bytes),
        };
        let present = row.policy.capacity;
        let each = (row.bytes / row.entries.max(1)).max(ENTRY);
        let whole = match unit {
            Unit::Entries => wanted.saturating_mul(each),
            Unit::Bytes => wanted,
        };
        let most = self.host.memory_bytes.unwrap_or(MEMORY) / PART;
        if row.policy.unit != unit {
            let counted = match row.policy.unit {
                Unit::Entries => "entries",
                Unit::Bytes => "bytes",
            };
            return Err(refused(format!(
                "cache {namespace} counts {counted}: give its capacity in them"
            )));
        }
        if wanted == 0 {
            return Err(refused(
                "a cache that holds nothing answers nothing: clear it, or give it a time to live"
                    .into(),
            ));
        }
        if whole > most {
            return Err(refused(format!(
                "{} would be {} when full, which is more than half of the memory that there is",
                amount(unit, wanted),
                bytes(whole)
            )));
        }
        if wanted == present {
            return Err(refused(format!(
                "cache {namespace} holds {} already",
                amount(unit, present)
            )));
        }
        let mut notes = vec![format!(
            "now {}: {} are held, {} were pushed out since the start",
            amount(unit, present),
            row.entries,
            row.evictions
        )];
        if unit == Unit::Entries && row.entries > 0 {
            notes.push(format!(
                "an entry takes {} as far as is known: full, it takes {}",
                bytes(each),
                bytes(whole)
            ));
        }
        if wanted < present {
            notes.push("what doesn't fit any more goes, and no undo brings it back".into());
        }
        self.note_where(&mut notes);
        let job = Job::ResizeCache {
            namespace: namespace.to_owned(),
            capacity: wanted,
        };
        let statement = format!("let cache `{namespace}` hold {}", amount(unit, wanted));
        let undo = format!(
            "let cache `{namespace}` hold {} again",
            amount(unit, present)
        );
        Ok(draft(
            job,
            "resize_cache",
            "resize",
            statement,
            notes,
            undo,
            &row,
        ))
    }

    pub(in crate::agent::act) fn draft_ttl(
        &self,
        namespace: &str,
        ttl_seconds: u32,
    ) -> Result<Draft, Refusal> {
        let row = self.cache_row(namespace)?;
        if !TTL.contains(&ttl_seconds) {
            return Err(refused(
                "a time to live is from a second to 365 days".into(),
            ));
        }
        let ttl = Duration::from_secs(ttl_seconds.into());
        let present = row.policy.ttl;
        if present == Some(ttl) {
            return Err(refused(format!(
                "entries of {namespace} are fresh for {} already",
                time(present)
            )));
        }
        let mut notes = vec![format!("now {}", time(present))];
        notes.push(if present.is_none_or(|present| ttl < present) {
            "entries that are held get the shorter time, too, and no undo prolongs them".into()
        } else {
            "entries that are held keep their end; those that are loaded from now on last longer"
                .into()
        });
        notes.push("what code asks to be fresh for a shorter time stays so".into());
        self.note_where(&mut notes);
        let job = Job::SetCacheTtl {
            namespace: namespace.to_owned(),
            ttl,
        };
        let statement = format!(
            "let entries of cache `{namespace}` be fresh for {}",
            time(Some(ttl))
        );
        let undo = format!(
            "let entries of cache `{namespace}` be fresh for {} again",
            time(present)
        );
        Ok(draft(
            job,
            "set_cache_ttl",
            "change TTL of",
            statement,
            notes,
            undo,
            &row,
        ))
    }

    pub(in crate::agent::act) fn draft_reset(&self, changed: LedgerId) -> Result<Draft, Refusal> {
        let unknown = || {
            Refusal::new(
                RefusalCode::Unknown,
                format!("row {changed} is of an earlier process: the code's own policy holds"),
            )
        };
        let altered = self.altered.get(&changed).ok_or_else(unknown)?;
        let first = altered.first().ok_or_else(unknown)?;
        for one in altered {
            self.still(one)
                .map_err(|(_, message)| Refusal::new(RefusalCode::Drifted, message))?;
        }
        let row = self.cache_row(&first.namespace)?;
        let ledger = self.ledger.row(changed);
        let target = ledger.map_or_else(String::new, |row| row.target.clone());
        let undo = ledger.and_then(|row| row.undo.clone());
        let job = Job::ResetCache {
            namespace: target.clone(),
            changed,
        };
        let title = match first.what {
            What::Capacity => "put back the capacity of",
            What::Ttl => "put back the TTL of",
        };
        let statement = undo.map(|undo| undo.statement).unwrap_or_default();
        let notes = vec![format!("as it was before row {changed}")];
        let mut draft = draft(
            job,
            "reset_cache",
            title,
            statement,
            notes,
            String::new(),
            &row,
        );
        draft.undo_of = Some(changed);
        if altered.len() > 1 || target != first.namespace {
            draft.title = "put back the capacities of caches".into();
            draft.target = target;
        }
        Ok(draft)
    }

    /// Carries out a change, if the cache is as it was when it was previewed.
    pub(in crate::agent::act) fn change_cache(
        &mut self,
        row: LedgerId,
        job: &Job,
        state: u64,
    ) -> Result<Done, Failure> {
        let (Job::ResizeCache { namespace, .. } | Job::SetCacheTtl { namespace, .. }) = job else {
            return Err((LedgerStatus::Failed, "this changes no cache".into()));
        };
        self.read_caches();
        let seen = self.cache_rows.iter().find(|row| *row.name == **namespace);
        let (Some(from), Some(seen)) = (self.caches.changed(namespace), seen) else {
            return Err(gone(namespace));
        };
        if state_of(&seen.policy) != state {
            return Err(drifted());
        }
        let unit = seen.policy.unit;
        let (what, to, message) = match job {
            Job::ResizeCache { capacity, .. } => {
                let to = Changed {
                    capacity: Some(*capacity),
                    ..from
                };
                let told = [seen.policy.capacity, *capacity].map(|held| amount(unit, held));
                (What::Capacity, to, told)
            }
            Job::SetCacheTtl { ttl, .. } => {
                let to = Changed {
                    ttl: Some(*ttl),
                    ..from
                };
                (What::Ttl, to, [seen.policy.ttl, Some(*ttl)].map(time))
            }
            _ => return Err((LedgerStatus::Failed, "this changes no cache".into())),
        };
        let altered = self.altered_of(namespace, what, from, to)?;
        if !self.caches.change(namespace, from, to) {
            return Err(drifted());
        }
        self.keep_altered(row, vec![altered]);
        self.read_caches();
        let [before, after] = message;
        Ok(Done {
            message: format!("{namespace}: {before} -> {after}"),
            credited: true,
        })
    }

    /// Puts back what an earlier row changed, if nothing changed it since.
    pub(in crate::agent::act) fn reset_cache(
        &mut self,
        changed: LedgerId,
    ) -> Result<Done, Failure> {
        let altered = self.altered.get(&changed).ok_or_else(drifted)?;
        let mut steps = Vec::new();
        for one in altered {
            let present = self.still(one)?;
            steps.push((&one.namespace, present, one.back(present)));
        }
        for (namespace, present, to) in steps {
            if !self.caches.change(namespace, present, to) {
                return Err(drifted());
            }
        }
        self.altered.remove(&changed);
        self.read_caches();
        Ok(Done {
            message: format!("put back what row {changed} changed"),
            credited: true,
        })
    }

    /// What of the share of look-ups that hit is to be said of a change whose window closes.
    pub(in crate::agent::act) fn hit_ratio_since(&mut self, row: LedgerId) -> String {
        let altered = self.altered.get(&row).map(Vec::as_slice);
        let altered = altered.unwrap_or_default();
        let told = altered.iter().filter_map(|one| {
            let mut rows = self.cache_rows.iter();
            let seen = rows.find(|row| *row.name == *one.namespace)?;
            let hits = seen.hits.saturating_sub(one.sums.0);
            let since = ratio(hits, seen.misses.saturating_sub(one.sums.1))?;
            let of = match altered {
                [_] => String::new(),
                _ => format!(" of {}", one.namespace),
            };
            let before = one.ratio? * 100.0;
            Some(format!(
                "; hits{of}: {before:.1} % -> {:.1} %",
                since * 100.0
            ))
        });
        told.collect()
    }

    /// What a change is of a namespace as it is now.
    pub(super) fn altered_of(
        &self,
        namespace: &str,
        what: What,
        from: Changed,
        to: Changed,
    ) -> Result<Altered, Failure> {
        let mut rows = self.cache_rows.iter();
        let seen = rows.find(|row| *row.name == *namespace);
        let seen = seen.ok_or_else(|| gone(namespace))?;
        let history = self.cache_history.get(&seen.name);
        let minute = history.map(|history| history.minute());
        Ok(Altered {
            namespace: namespace.to_owned(),
            what,
            from,
            to,
            ratio: minute.and_then(|(hits, misses, _)| ratio(hits, misses)),
            sums: (seen.hits, seen.misses),
        })
    }

    /// A namespace as it is now: the last tick's rows may lack a cache that is new.
    pub(super) fn cache_row(&self, namespace: &str) -> Result<Row, Refusal> {
        let mut rows = self.caches.rows().into_iter();
        rows.find(|row| *row.name == *namespace).ok_or_else(|| {
            Refusal::new(RefusalCode::Unknown, format!("no such cache: {namespace}"))
        })
    }

    /// What is changed at present, if that is still what a row made of it.
    fn still(&self, altered: &Altered) -> Result<Changed, Failure> {
        let namespace = &altered.namespace;
        let present = self
            .caches
            .changed(namespace)
            .ok_or_else(|| gone(namespace))?;
        let is_same = match altered.what {
            What::Capacity => present.capacity == altered.to.capacity,
            What::Ttl => present.ttl == altered.to.ttl,
        };
        let message = "a later row changed it, too: undo that first".to_owned();
        is_same
            .then_some(present)
            .ok_or((LedgerStatus::Refused, message))
    }

    pub(super) fn keep_altered(&mut self, row: LedgerId, altered: Vec<Altered>) {
        if self.altered.len() >= ALTERED
            && let Some(oldest) = self.altered.keys().min().copied()
        {
            self.altered.remove(&oldest);
        }
        self.altered.insert(row, altered);
    }

    pub(super) fn note_where(&self, notes: &mut Vec<String>) {
        #[cfg(feature = "redis")]
        if self.caches.standing().is_some() {
            notes.push("in this instance alone: the others keep theirs".into());
        }
        notes.push("until the service starts anew".into());
    }
}

impl Altered {
    /// What puts it back, of what is changed at present.
    const fn back(&self, present: Changed) -> Changed {
        match self.what {
            What::Capacity => Changed {
                capacity: self.from.capacity,
                ..present
            },
            What::Ttl => Changed {
                ttl: self.from.ttl,
                ..present
            },
        }
    }
}

fn draft(
    job: Job,
    kind: &'static str,
    verb: &str,
    statement: String,
    notes: Vec<String>,
    undo: String,
    row: &Row,
) -> Draft {
    let namespace = row.name.to_string();
    Draft {
        job,
        kind,
        title: format!("{verb} cache {namespace}"),
        target: namespace,
        statement,
        risk: Risk::Cache,
        notes,
        expected: None,
        undo: Undo {
            statement: undo,
            until: None,
        },
        confirm: None,
        predicted: None,
        state: state_of(&row.policy),
        undo_of: None,
    }
}

/// Changes when what a preview told of a policy changes.
pub(super) fn state_of(policy: &Policy) -> u64 {
    let mut state = DefaultHasher::new();
    let in_bytes = policy.unit == Unit::Bytes;
    (policy.capacity, in_bytes, policy.ttl).hash(&mut state);
    state.finish()
}

pub(super) fn amount(unit: Unit, capacity: u64) -> String {
    match unit {
        Unit::Entries if capacity == 1 => "1 entry".to_owned(),
        Unit::Entries => format!("{capacity} entries"),
        Unit::Bytes => bytes(capacity),
    }
}

fn bytes(bytes: u64) -> String {
    let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
    let unit = units.into_iter().find(|(shift, _)| bytes >> shift > 0);
    match unit {
        Some((shift, unit)) => {
            let told = format!("{:.1}", bytes as f64 / (1_u64 << shift) as f64);
            format!("{} {unit}", told.strip_suffix(".0").unwrap_or(&told))
        }
        None => format!("{bytes} B"),
    }
}

fn time(time: Option<Duration>) -> String {
    let Some(time) = time else {
        return "ever".to_owned();
    };
    match time.as_secs() {
        0 => format!("{} ms", time.as_millis()),
        seconds if seconds % 3600 == 0 => format!("{} h", seconds / 3600),
        seconds if seconds % 60 == 0 => format!("{} min", seconds / 60),
        seconds => format!("{seconds} s"),
    }
}

fn ratio(hits: u64, misses: u64) -> Option<f64> {
    let lookups = hits + misses;
    (lookups > 0).then(|| hits as f64 / lookups as f64)
}

pub(super) fn refused(message: String) -> Refusal {
    Refusal::new(RefusalCode::Failed, message)
}

pub(super) fn gone(namespace: &str) -> Failure {
    (LedgerStatus::Refused, format!("no such cache: {namespace}"))
}

pub(super) fn drifted() -> Failure {
    let message = "the cache's policy has changed since the preview: preview again";
    (LedgerStatus::Refused, message.to_owned())
}
