//! What a type looks like to whoever decodes it, as one number: two versions of a service whose types differ don't
//! read each other's values.
//!
//! The type is asked to build itself from a source that has every field, and notes what it asks for. Where it refuses
//! what it is given (a text that has to be a date), the rest of that branch goes unseen; the values themselves carry
//! names, so that what differs there shows when one is decoded.

use std::any::{TypeId, type_name};
use std::collections::HashMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};

use serde::de::value::StrDeserializer;
use serde::de::{self, Deserialize, DeserializeSeed, Deserializer, IntoDeserializer, Visitor};
use sha2::{Digest as _, Sha256};

/// Types within types; recursive ones are seen so far.
const DEPTH: usize = 8;
/// Questions that one type may ask.
const QUESTIONS: usize = 2_000;

/// The shapes that were found, a type each.
static KNOWN: Mutex<Option<HashMap<TypeId, u64>>> = Mutex::new(None);

/// The shape of a type.
pub(super) fn shape<V: for<'de> Deserialize<'de> + 'static>() -> u64 {
    let of = TypeId::of::<V>();
    let known = || KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(shape) = known().as_ref().and_then(|known| known.get(&of).copied()) {
        return shape;
    }
    // Code of the host's, which doesn't run under the lock.
    let shape = shape_anew::<V>();
    known().get_or_insert_default().insert(of, shape);
    shape
}

fn shape_anew<V: for<'de> Deserialize<'de>>() -> u64 {
    let mut seen = Seen {
        digest: Sha256::new(),
        questions: 0,
    };
    seen.note("type", type_name::<V>());
    let source = Source {
        seen: &mut seen,
        depth: 0,
    };
    // An error is where a type has refused; a panic is taken for one.
    let _ = catch_unwind(AssertUnwindSafe(|| V::deserialize(source).is_ok()));
    super::first_eight(&seen.digest.finalize())
}

struct Seen {
    digest: Sha256,
    questions: usize,
}

/// Answers whatever a type asks for, and notes it.
struct Source<'a> {
    seen: &'a mut Seen,
    depth: usize,
}

/// The parts of a structure or a sequence.
struct Parts<'a> {
    seen: &'a mut Seen,
    depth: usize,
    names: std::slice::Iter<'static, &'static str>,
    left: usize,
}

/// The first of an enum's variants.
struct Choice<'a> {
    source: Source<'a>,
    variant: &'static str,
}

/// The type refused, or has asked enough.
#[derive(Debug)]
struct Refused;

impl Seen {
    fn note(&mut self, kind: &str, name: &str) {
        for part in [kind, name] {
            self.digest.update((part.len() as u64).to_le_bytes());
            self.digest.update(part);
        }
    }
}

impl<'a> Source<'a> {
    fn ask(&mut self, kind: &str, name: &str) -> Result<(), Refused> {
        self.seen.note(kind, name);
        self.seen.questions += 1;
        if self.depth > DEPTH || self.seen.questions > QUESTIONS {
            return Err(Refused);
        }
        Ok(())
    }

    fn names(&mut self, names: &[&str]) {
        names.iter().for_each(|name| self.seen.note("", name));
    }

    fn deeper(self) -> Self {
        Self {
            seen: self.seen,
            depth: self.depth + 1,
        }
    }

    fn parts(self, names: &'static [&'static str], left: usize) -> Parts<'a> {
        Parts {
            seen: self.seen,
            depth: self.depth + 1,
            names: names.iter(),
            left,
        }
    }
}

impl Parts<'_> {
    const fn source(&mut self) -> Source<'_> {
        Source {
            seen: self.seen,
            depth: self.depth,
        }
    }
}

macro_rules! scalars {
    ($($ask:ident $visit:ident $($value:expr)?;)*) => {$(
        fn $ask<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Refused> {
            self.ask(stringify!($ask), "")?;
            visitor.$visit($($value)?)
        }
    )*};
}

impl<'de> Deserializer<'de> for Source<'_> {
    type Error = Refused;

    scalars! {
        deserialize_any visit_unit;
        deserialize_bool visit_bool false;
        deserialize_i8 visit_i8 1;
        deserialize_i16 visit_i16 1;
        deserialize_i32 visit_i32 1;
        deserialize_i64 visit_i64 1;
        deserialize_i128 visit_i128 1;
        deserialize_u8 visit_u8 1;
        deserialize_u16 visit_u16 1;
        deserialize_u32 visit_u32 1;
        deserialize_u64 visit_u64 1;
        deserialize_u128 visit_u128 1;
        deserialize_f32 visit_f32 1.0;
        deserialize_f64 visit_f64 1.0;
        deserialize_char visit_char '1';
        deserialize_str visit_borrowed_str "1";
        deserialize_string visit_borrowed_str "1";
        deserialize_bytes visit_borrowed_bytes b"1";
        deserialize_byte_buf visit_borrowed_bytes b"1";
        deserialize_unit visit_unit;
        deserialize_identifier visit_borrowed_str "1";
        deserialize_ignored_any visit_unit;
    }

    fn is_human_readable(&self) -> bool {
        false
    }

    fn deserialize_option<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Refused> {
        self.ask("option", "")?;
        visitor.visit_some(self.deeper())
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        mut self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Refused> {
        self.ask("unit struct", name)?;
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        mut self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Refused> {
        self.ask("newtype", name)?;
        visitor.visit_newtype_struct(self.deeper())
    }

    fn deserialize_seq<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Refused> {
        self.ask("sequence", "")?;
        visitor.visit_seq(self.parts(&[], 1))
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        mut self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Refused> {
        self.ask("tuple", &length.to_string())?;
        visitor.visit_seq(self.parts(&[], length))
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        mut self,
        name: &'static str,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Refused> {
        self.ask("tuple struct", name)?;
        visitor.visit_seq(self.parts(&[], length))
    }

    fn deserialize_map<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Refused> {
        self.ask("map", "")?;
        visitor.visit_map(self.parts(&[], 1))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        mut self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refused> {
        self.ask("struct", name)?;
        self.names(fields);
        visitor.visit_map(self.parts(fields, fields.len()))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        mut self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refused> {
        self.ask("enum", name)?;
        self.names(variants);
        let variant = variants.first().ok_or(Refused)?;
        let source = self.deeper();
        visitor.visit_enum(Choice { source, variant })
    }
}

impl<'de> de::SeqAccess<'de> for Parts<'_> {
    type Error = Refused;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Refused> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        seed.deserialize(self.source()).map(Some)
    }
}

impl<'de> de::MapAccess<'de> for Parts<'_> {
    type Error = Refused;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Refused> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        match self.names.next() {
            Some(name) => {
                let name: StrDeserializer<'_, Refused> = name.into_deserializer();
                seed.deserialize(name).map(Some)
            }
            None => seed.deserialize(self.source()).map(Some),
        }
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Refused> {
        seed.deserialize(self.source())
    }
}

impl<'de, 'a> de::EnumAccess<'de> for Choice<'a> {
    type Error = Refused;
    type Variant = Source<'a>;

    fn variant_seed<T: DeserializeSeed<'de>>(
        self,
        seed: T,
    ) -> Result<(T::Value, Source<'a>), Refused> {
        let variant: StrDeserializer<'_, Refused> = self.variant.into_deserializer();
        Ok((seed.deserialize(variant)?, self.source))
    }
}

impl<'de> de::VariantAccess<'de> for Source<'_> {
    type Error = Refused;

    fn unit_variant(self) -> Result<(), Refused> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Refused> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(
        self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Refused> {
        visitor.visit_seq(self.parts(&[], length))
    }

    fn struct_variant<V: Visitor<'de>>(
        mut self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refused> {
        self.names(fields);
        visitor.visit_map(self.parts(fields, fields.len()))
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the type refused")
    }
}

impl std::error::Error for Refused {}

impl de::Error for Refused {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[test]
    fn a_type_that_changed_has_another_shape() {
        mod before {
            use serde::Deserialize;

            #[derive(Deserialize)]
            #[expect(dead_code, reason = "only its shape matters")]
            pub(super) struct User {
                id: u64,
                name: Option<Name>,
            }
            #[derive(Deserialize)]
            #[expect(dead_code, reason = "only its shape matters")]
            pub(super) struct Name {
                first: String,
            }
        }
        mod after {
            use serde::Deserialize;

            #[derive(Deserialize)]
            #[expect(dead_code, reason = "only its shape matters")]
            pub(super) struct User {
                id: u64,
                name: Option<Name>,
            }
            #[derive(Deserialize)]
            #[expect(dead_code, reason = "only its shape matters")]
            pub(super) struct Name {
                last: String,
            }
        }
        // The name of the type is not what tells them apart.
        let traced = |trace: fn(Source<'_>)| {
            let mut seen = Seen {
                digest: Sha256::new(),
                questions: 0,
            };
            trace(Source {
                seen: &mut seen,
                depth: 0,
            });
            super::super::first_eight(&seen.digest.finalize())
        };
        let before = traced(|source| drop(before::User::deserialize(source)));
        let after = traced(|source| drop(after::User::deserialize(source)));
        assert_ne!(before, after);
    }

    #[test]
    fn what_holds_itself_ends() {
        #[derive(Deserialize)]
        #[expect(dead_code, reason = "only its shape matters")]
        struct Tree {
            left: Option<Box<Tree>>,
            right: Vec<Tree>,
            leaf: std::collections::HashMap<String, (u8, char, Kind)>,
        }
        #[derive(Deserialize)]
        #[expect(dead_code, reason = "only its shape matters")]
        enum Kind {
            One { weight: f64 },
            Two(String, i128),
        }
        assert_eq!(shape::<Tree>(), shape::<Tree>());
        assert_ne!(shape::<Tree>(), shape::<Kind>());
        assert_ne!(shape::<u32>(), shape::<i64>());
    }
}
