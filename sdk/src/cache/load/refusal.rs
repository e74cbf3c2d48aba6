//! How an error gets to those who joined: by a clone, or not at all.

use std::sync::Arc;

use super::super::flight::Packed;

/// How an error gets to those who joined.
#[derive(Debug)]
pub struct Refusal<E> {
    pub(super) pack: Option<Pack<E>>,
}

#[derive(Debug)]
pub(super) struct Pack<E> {
    pub(super) wrap: fn(&E) -> Packed,
    pub(super) unwrap: fn(&Packed) -> Option<E>,
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
        Self { pack: Some(pack) }
    }

    /// Makes an error that can't be cloned: everybody who joined loads for himself.
    #[must_use]
    pub const fn alone() -> Self {
        Self { pack: None }
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
