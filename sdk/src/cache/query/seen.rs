//! What a load reads while it is watched: the tables of its statements, with their stamps from before each began.

use std::sync::Arc;

use super::super::local::Slot;
use super::super::pending::Pending;
use super::super::space::Space;
use super::super::stamp::Stripes;
use super::super::watch;
use super::statement::Statement;
use super::{Bypass, Queries, Source};

/// What a load has read so far.
#[derive(Default)]
pub(in crate::cache) struct Seen {
    queries: Option<Arc<Queries>>,
    /// The stripes of tables, each with its stamp from before the first statement that read it.
    read: Vec<(u16, u64)>,
    /// Why its value is not kept.
    unfit: Option<Bypass>,
}

/// What a value hangs on beside its key and tags.
pub(in crate::cache) struct Hold {
    stripes: Vec<u16>,
    sum: u64,
}

impl Seen {
    fn unfit(&mut self, why: Bypass) {
        self.unfit.get_or_insert(why);
    }

    fn add(&mut self, stripe: u16, tables: &Space) {
        if !self.read.iter().any(|(known, _)| *known == stripe) {
            self.read.push((stripe, tables.stamps.stripe(stripe)));
        }
    }

    fn statement(&mut self, source: &Source, statement: &Statement) {
        let queries = source.queries();
        // Another deck's tables are another's to invalidate.
        if !Arc::ptr_eq(
            self.queries.get_or_insert_with(|| Arc::clone(queries)),
            queries,
        ) {
            self.unfit(Bypass::Executor);
        }
        match &statement.relations.reads {
            Ok(tables) => {
                for stripe in source.stripes(tables) {
                    self.add(stripe, &queries.tables);
                }
            }
            Err(unfit) => self.unfit((*unfit).into()),
        }
    }

    /// Takes over what a value hangs on that the load was given.
    fn slot(&mut self, space: &Space, slot: &Slot) {
        let Some(tables) = &space.shared.tables else {
            return;
        };
        for stripe in slot.stripes.tables() {
            self.add(*stripe, tables);
        }
        // The stamps are those that the value is valid under only if it still is.
        if space.present(&slot.stripes) != slot.stamp {
            self.unfit(Bypass::Executor);
        }
        let queries = space.shared.queries.as_ref();
        if let Some(queries) = queries {
            self.queries.get_or_insert_with(|| Arc::clone(queries));
        }
    }

    /// Notes what another body has read that was part of it.
    pub(in crate::cache) fn join(&mut self, inner: &Self) {
        if let Some(why) = inner.unfit {
            self.unfit(why);
        }
        for (stripe, stamp) in &inner.read {
            match self.read.iter_mut().find(|(known, _)| known == stripe) {
                Some((_, known)) => *known = (*known).min(*stamp),
                None => self.read.push((*stripe, *stamp)),
            }
        }
        if self.queries.is_none() {
            self.queries.clone_from(&inner.queries);
        }
    }

    /// What the load's value hangs on; `None` if it is not to be kept.
    pub(in crate::cache) fn hold(self, space: &Space) -> Option<Hold> {
        let own = space.shared.queries.as_ref();
        let why = match (&self.queries, own) {
            (Some(seen), Some(own)) if Arc::ptr_eq(seen, own) => self.unfit,
            // Nothing would ever invalidate it.
            _ => Some(self.unfit.unwrap_or(Bypass::Executor)),
        };
        if let Some(why) = why {
            if let Some(queries) = own {
                queries.bypass(why);
            }
            return None;
        }
        Some(Hold {
            stripes: self.read.iter().map(|(stripe, _)| *stripe).collect(),
            sum: self
                .read
                .iter()
                .fold(0, |sum, (_, stamp)| sum.wrapping_add(*stamp)),
        })
    }
}

impl Hold {
    /// Hangs stripes on the tables, and a stamp on theirs.
    pub(in crate::cache) fn on(&self, stripes: Stripes, stamp: &mut u64) -> Stripes {
        *stamp = stamp.wrapping_add(self.sum);
        stripes.on_tables(&self.stripes)
    }
}

/// Notes a statement that is about to run, in a transaction if there is one.
pub(crate) fn note(source: &Source, sql: &str, pending: Option<&Pending>) {
    watch::seen(|seen| {
        // What is read there may never be committed.
        if pending.is_some_and(Pending::is_open) {
            seen.unfit(Bypass::Executor);
        }
        let statement = source.statement(sql);
        seen.statement(source, &statement);
    });
}

/// Notes a statement whose result is about to be asked for.
pub(super) fn note_statement(source: &Source, statement: &Statement) {
    watch::seen(|seen| seen.statement(source, statement));
}

/// Notes that a value was given to the load that hangs on tables.
pub(in crate::cache) fn note_slot(space: &Space, slot: &Slot) {
    watch::seen(|seen| seen.slot(space, slot));
}

/// Notes that something was read for the load where nobody can watch.
pub(in crate::cache) fn note_unseen() {
    watch::seen(|seen| seen.unfit(Bypass::Executor));
}

impl std::fmt::Debug for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Seen")
            .field("read", &self.read.len())
            .field("unfit", &self.unfit)
            .finish_non_exhaustive()
    }
}
