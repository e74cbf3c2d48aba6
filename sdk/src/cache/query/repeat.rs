//! Queries without a cache, as this cache would see them: whether it would take them, by what key, and under which stamps.

use super::super::key::{CacheKey as _, KeyWriter};
use super::{Bindable, Source};
use crate::observe::Eyes;
use crate::observe::executor::Taken;
use crate::observe::repeat::{Asked, Subject};

impl Source {
    /// Notes a query that is about to run, if it is watched and could be cached; `first` is whether only its first row is
    /// asked for.
    pub(crate) fn repeated<DB: Bindable>(
        &self,
        eyes: &'static Eyes,
        query: &mut Taken<DB>,
        first: bool,
    ) -> Option<Box<Asked>> {
        let statement = self.statement(query.sql());
        let watch = eyes.watch(Subject::Query(statement.query(query.sql())))?;
        let tables = statement.relations.reads.as_ref().ok()?;
        let own = (self.0.number, query.sql(), first);
        let mut key = KeyWriter::written(|key| own.write(key));
        let written = match query.arguments() {
            Ok(Some(arguments)) => DB::write(arguments, &mut key),
            Ok(None) => true,
            Err(()) => false,
        };
        let mut asked = watch.asked(&key).filter(|_| written)?;
        // Before it runs, as a look-up would read it.
        asked.stamp = self.stamp(tables);
        Some(Box::new(asked))
    }

    /// What differs once a statement has changed one of the tables.
    fn stamp(&self, tables: &[Box<str>]) -> u32 {
        let stamps = &self.queries().tables.stamps;
        let stripes = self.stripes(tables).into_iter();
        let sum = stripes.fold(stamps.namespace(), |sum, stripe| {
            sum.wrapping_add(stamps.stripe(stripe))
        });
        (sum ^ (sum >> 32)) as u32
    }
}
