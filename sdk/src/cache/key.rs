//! Keys: an injective text of typed values, so that two different arguments never share an entry.
//!
//! Each value writes what kind it is and how long it is before its bytes. Two sequences of the same arity are therefore
//! equal only if every value is.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::hash::{BuildHasher, Hash, Hasher};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

#[cfg(test)]
mod tests;

/// How keys are hashed: by seeds of this process's own, so that nobody can choose keys that meet.
#[cfg(not(test))]
pub(crate) type Hashing = foldhash::quality::RandomState;
/// How keys are hashed in tests: always alike, so that a sample of keys is the same in each run.
#[cfg(test)]
pub(crate) type Hashing = foldhash::quality::FixedState;

/// Bytes that are kept without an allocation.
const INLINE: usize = 120;
/// The longest key that is cached; longer ones would fill memory beside the capacity, which counts entries.
const LONGEST: usize = 16 * 1024;

/// A value that can be part of a cache key.
///
/// Integers are one kind and equal by value (`7_u32` and `7_i64` meet), so an invalidation finds what a function with
/// another integer type cached. `String`, `&str`, boxes and references write what they hold. Floats write their bits;
/// a NaN equals nothing, so a call with one is not cached.
///
/// # Examples
///
/// ```
/// use perfdeck::cache::{CacheKey, KeyWriter};
///
/// struct Page { tenant: u64, slug: String }
///
/// impl CacheKey for Page {
///     fn write(&self, key: &mut KeyWriter) {
///         (self.tenant, &self.slug).write(key);
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be part of a cache key",
    label = "`CacheKey` is not implemented for `{Self}`",
    note = "implement `perfdeck::cache::CacheKey`, name the parts with `key = \"...\"`, or leave it out with `skip(...)`"
)]
pub trait CacheKey {
    /// Writes the value into the key.
    ///
    /// A type of several fields writes them as a tuple; an enum writes a number for its variant first.
    fn write(&self, key: &mut KeyWriter);
}

/// A key as it is being written; see [`CacheKey`].
pub struct KeyWriter {
    inline: [u8; INLINE],
    length: usize,
    /// Where the key proper ends and what tells a generic function's instances apart begins.
    proper: Option<usize>,
    /// The whole key once it has outgrown `inline`.
    spill: Vec<u8>,
    refused: bool,
}

/// A key that is looked for: borrowed bytes, hashed once.
#[derive(Clone, Copy)]
pub(super) struct Probe<'a> {
    site: u32,
    /// Of the bytes and the site.
    hash: u64,
    bytes: &'a [u8],
}

/// A key as the map and the flights keep it.
#[derive(Clone)]
pub(super) struct StoredKey {
    site: u32,
    hash: u64,
    bytes: Arc<[u8]>,
}

/// Takes the hash that the key brings along.
#[derive(Clone, Default)]
pub(super) struct Hashed(u64);

#[derive(Clone, Copy)]
#[repr(u8)]
enum Tag {
    Unit,
    False,
    True,
    Integer,
    Negative,
    BigInteger,
    BigNegative,
    Char,
    Text,
    Float,
    None,
    Some,
    Sequence,
    Tuple,
    Duration,
    Bytes,
}

impl KeyWriter {
    #[inline]
    pub(super) const fn new() -> Self {
        Self {
            inline: [0; INLINE],
            length: 0,
            proper: None,
            spill: Vec::new(),
            refused: false,
        }
    }

    #[inline]
    pub(crate) fn written(write: impl FnOnce(&mut Self)) -> Self {
        let mut key = Self::new();
        write(&mut key);
        key
    }

    /// Makes the whole key one that nothing equals, so the call is not cached.
    pub fn refuse(&mut self) {
        self.refused = true;
    }

    /// Opens a tuple of so many values, which have to follow.
    #[doc(hidden)]
    pub fn tuple(&mut self, arity: usize) {
        self.length(Tag::Tuple, arity);
    }

    /// Adds what tells the instances of a generic function apart, after the key proper.
    #[doc(hidden)]
    pub fn instance(&mut self, part: &(impl CacheKey + ?Sized)) {
        self.proper.get_or_insert(self.length);
        part.write(self);
    }

    /// Adds bytes as they are.
    #[cfg(feature = "query-cache")]
    pub(super) fn opaque(&mut self, bytes: &[u8]) {
        self.length(Tag::Bytes, bytes.len());
        self.put(bytes);
    }

    /// A hash of the whole key; `None` of one that nothing equals.
    pub(crate) fn hashed_by(&self, hasher: &Hashing) -> Option<u64> {
        (!self.refused).then(|| hashed(self.bytes(), hasher))
    }

    #[inline]
    pub(super) const fn is_refused(&self) -> bool {
        self.refused
    }

    #[inline]
    pub(super) fn bytes(&self) -> &[u8] {
        if self.spill.is_empty() {
            self.inline.get(..self.length).unwrap_or_default()
        } else {
            &self.spill
        }
    }

    /// The key without what tells a generic function's instances apart: all functions of a namespace agree on it.
    pub(super) fn proper(&self) -> &[u8] {
        let bytes = self.bytes();
        self.proper
            .and_then(|proper| bytes.get(..proper))
            .unwrap_or(bytes)
    }

    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        let end = self.length + bytes.len();
        match self.inline.get_mut(self.length..end) {
            Some(room) if self.spill.is_empty() => {
                room.copy_from_slice(bytes);
                self.length = end;
            }
            _ => self.outgrow(bytes, end),
        }
    }

    #[cold]
    fn outgrow(&mut self, bytes: &[u8], end: usize) {
        if end > LONGEST {
            self.refused = true;
            return;
        }
        if self.spill.is_empty() {
            let inline = self.inline.get(..self.length);
            self.spill.extend_from_slice(inline.unwrap_or_default());
        }
        self.spill.extend_from_slice(bytes);
        self.length = end;
    }

    #[inline]
    fn tag(&mut self, tag: Tag) {
        self.put(&[tag as u8]);
    }

    #[inline]
    fn tagged<const N: usize>(&mut self, tag: Tag, bytes: [u8; N]) {
        self.tag(tag);
        self.put(&bytes);
    }

    #[inline]
    fn length(&mut self, tag: Tag, length: usize) {
        self.tagged(tag, (length as u64).to_le_bytes());
    }
}

impl fmt::Debug for KeyWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Keys hold arguments, and arguments hold secrets.
        f.debug_struct("KeyWriter")
            .field("length", &self.length)
            .finish_non_exhaustive()
    }
}

impl<'a> Probe<'a> {
    #[inline]
    pub(super) fn new(site: u32, key: &'a KeyWriter, hasher: &Hashing) -> Self {
        let bytes = key.bytes();
        Self {
            site,
            hash: mix(site, hashed(bytes, hasher)),
            bytes,
        }
    }

    #[inline]
    pub(super) const fn sampled_by(&self) -> u64 {
        self.hash
    }

    pub(super) fn store(&self) -> StoredKey {
        StoredKey {
            site: self.site,
            hash: self.hash,
            bytes: self.bytes.into(),
        }
    }
}

impl StoredKey {
    pub(super) fn length(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn probe(&self) -> Probe<'_> {
        Probe {
            site: self.site,
            hash: self.hash,
            bytes: &self.bytes,
        }
    }
}

#[inline]
pub(super) fn hashed(bytes: &[u8], hasher: &Hashing) -> u64 {
    let mut state = hasher.build_hasher();
    state.write(bytes);
    state.finish()
}

/// A key's hash spread over the functions of a namespace, without hashing again.
const fn mix(site: u32, hash: u64) -> u64 {
    (hash ^ (site as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)).rotate_left(26)
}

impl Hash for Probe<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

impl Hash for StoredKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.probe().hash(state);
    }
}

impl PartialEq for StoredKey {
    fn eq(&self, other: &Self) -> bool {
        self.site == other.site && self.bytes == other.bytes
    }
}

impl Eq for StoredKey {}

impl quick_cache::Equivalent<StoredKey> for Probe<'_> {
    #[inline]
    fn equivalent(&self, key: &StoredKey) -> bool {
        self.site == key.site && *self.bytes == *key.bytes
    }
}

impl BuildHasher for Hashed {
    type Hasher = Self;

    fn build_hasher(&self) -> Self {
        Self(0)
    }
}

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        // Only whole hashes are written; anything else is folded in all the same.
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 ^= hash;
    }
}

macro_rules! unsigned {
    ($($int:ty)*) => {$(
        impl CacheKey for $int {
            #[inline]
            fn write(&self, key: &mut KeyWriter) {
                key.tagged(Tag::Integer, (*self as u64).to_le_bytes());
            }
        }
    )*};
}

macro_rules! signed {
    ($($int:ty)*) => {$(
        impl CacheKey for $int {
            #[inline]
            fn write(&self, key: &mut KeyWriter) {
                let tag = if *self < 0 { Tag::Negative } else { Tag::Integer };
                key.tagged(tag, (*self as i64).to_le_bytes());
            }
        }
    )*};
}

unsigned!(u8 u16 u32 u64 usize);
signed!(i8 i16 i32 i64 isize);

impl CacheKey for u128 {
    #[inline]
    fn write(&self, key: &mut KeyWriter) {
        match u64::try_from(*self) {
            Ok(small) => small.write(key),
            Err(_) => key.tagged(Tag::BigInteger, self.to_le_bytes()),
        }
    }
}

impl CacheKey for i128 {
    #[inline]
    fn write(&self, key: &mut KeyWriter) {
        match (u128::try_from(*self), i64::try_from(*self)) {
            (Ok(positive), _) => positive.write(key),
            (Err(_), Ok(small)) => small.write(key),
            (Err(_), Err(_)) => key.tagged(Tag::BigNegative, self.to_le_bytes()),
        }
    }
}

impl CacheKey for bool {
    #[inline]
    fn write(&self, key: &mut KeyWriter) {
        key.tag(if *self { Tag::True } else { Tag::False });
    }
}

impl CacheKey for char {
    #[inline]
    fn write(&self, key: &mut KeyWriter) {
        key.tagged(Tag::Char, u32::from(*self).to_le_bytes());
    }
}

impl CacheKey for f64 {
    #[inline]
    fn write(&self, key: &mut KeyWriter) {
        if self.is_nan() {
            key.refuse();
        }
        key.tagged(Tag::Float, self.to_bits().to_le_bytes());
    }
}

impl CacheKey for f32 {
    #[inline]
    fn write(&self, key: &mut KeyWriter) {
        f64::from(*self).write(key);
    }
}

impl CacheKey for str {
    #[inline]
    fn write(&self, key: &mut KeyWriter) {
        key.length(Tag::Text, self.len());
        key.put(self.as_bytes());
    }
}

impl CacheKey for String {
    #[inline]
    fn write(&self, key: &mut KeyWriter) {
        self.as_str().write(key);
    }
}

impl CacheKey for Duration {
    #[inline]
    fn write(&self, key: &mut KeyWriter) {
        key.tagged(Tag::Duration, self.as_nanos().to_le_bytes());
    }
}

impl CacheKey for () {
    #[inline]
    fn write(&self, key: &mut KeyWriter) {
        key.tag(Tag::Unit);
    }
}

impl<T: CacheKey> CacheKey for Option<T> {
    #[inline]
    fn write(&self, key: &mut KeyWriter) {
        match self {
            None => key.tag(Tag::None),
            Some(value) => {
                key.tag(Tag::Some);
                value.write(key);
            }
        }
    }
}

impl<T: CacheKey> CacheKey for [T] {
    #[inline]
    fn write(&self, key: &mut KeyWriter) {
        key.length(Tag::Sequence, self.len());
        self.iter().for_each(|item| item.write(key));
    }
}

impl<T: CacheKey, const N: usize> CacheKey for [T; N] {
    #[inline]
    fn write(&self, key: &mut KeyWriter) {
        self.as_slice().write(key);
    }
}

impl<T: CacheKey> CacheKey for Vec<T> {
    #[inline]
    fn write(&self, key: &mut KeyWriter) {
        self.as_slice().write(key);
    }
}

impl<K: CacheKey, V: CacheKey> CacheKey for BTreeMap<K, V> {
    #[inline]
    fn write(&self, key: &mut KeyWriter) {
        key.length(Tag::Sequence, self.len());
        self.iter().for_each(|entry| entry.write(key));
    }
}

impl<T: CacheKey> CacheKey for BTreeSet<T> {
    #[inline]
    fn write(&self, key: &mut KeyWriter) {
        key.length(Tag::Sequence, self.len());
        self.iter().for_each(|item| item.write(key));
    }
}

impl<T: CacheKey + ToOwned + ?Sized> CacheKey for Cow<'_, T> {
    #[inline]
    fn write(&self, key: &mut KeyWriter) {
        (**self).write(key);
    }
}

macro_rules! pointers {
    ($($pointer:ty)*) => {$(
        impl<T: CacheKey + ?Sized> CacheKey for $pointer {
            #[inline]
            fn write(&self, key: &mut KeyWriter) {
                (**self).write(key);
            }
        }
    )*};
}

pointers!(&T &mut T Box<T> Arc<T> Rc<T>);

macro_rules! tuples {
    ($(($($item:ident $index:tt)+))*) => {$(
        impl<$($item: CacheKey),+> CacheKey for ($($item,)+) {
            #[inline]
            fn write(&self, key: &mut KeyWriter) {
                key.tuple([$($index),+].len());
                $(self.$index.write(key);)+
            }
        }
    )*};
}

tuples! {
    (A 0)
    (A 0 B 1)
    (A 0 B 1 C 2)
    (A 0 B 1 C 2 D 3)
    (A 0 B 1 C 2 D 3 E 4)
    (A 0 B 1 C 2 D 3 E 4 F 5)
    (A 0 B 1 C 2 D 3 E 4 F 5 G 6)
    (A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7)
    (A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8)
    (A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8 J 9)
    (A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8 J 9 K 10)
    (A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8 J 9 K 10 L 11)
}
