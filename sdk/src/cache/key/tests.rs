use proptest::prelude::*;

use super::*;

/// What arguments can look like; equal values make equal keys and nothing else does.
#[derive(Debug, Clone, PartialEq)]
enum Value {
    Unit,
    Bool(bool),
    Integer(i128),
    Natural(u128),
    Char(char),
    Text(String),
    Optional(Option<String>),
    List(Vec<String>),
    Pair(String, String),
    Nested(Box<Value>, Vec<u8>),
    Wait(Duration),
}

impl CacheKey for Value {
    fn write(&self, key: &mut KeyWriter) {
        match self {
            Self::Unit => ().write(key),
            Self::Bool(value) => value.write(key),
            Self::Integer(value) => value.write(key),
            Self::Natural(value) => value.write(key),
            Self::Char(value) => value.write(key),
            Self::Text(value) => value.write(key),
            Self::Optional(value) => value.write(key),
            Self::List(value) => value.write(key),
            Self::Pair(a, b) => (a, b).write(key),
            Self::Nested(a, b) => (a, b).write(key),
            Self::Wait(value) => value.write(key),
        }
    }
}

fn value() -> impl Strategy<Value = Value> {
    // Few letters and small numbers, so that near misses are frequent.
    let text = || "[ab:%\0]{0,4}";
    let leaf = prop_oneof![
        Just(Value::Unit),
        any::<bool>().prop_map(Value::Bool),
        (-3i128..3).prop_map(Value::Integer),
        any::<i128>().prop_map(Value::Integer),
        (i128::from(u64::MAX) - 2..i128::from(u64::MAX) + 2).prop_map(Value::Integer),
        (i128::from(i64::MIN) - 2..i128::from(i64::MIN) + 2).prop_map(Value::Integer),
        prop_oneof![prop::char::range('a', 'c'), any::<char>()].prop_map(Value::Char),
        text().prop_map(Value::Text),
        prop::option::of(text()).prop_map(Value::Optional),
        prop::collection::vec(text(), 0..3).prop_map(Value::List),
        (text(), text()).prop_map(|(a, b)| Value::Pair(a, b)),
        (0u64..3).prop_map(|nanos| Value::Wait(Duration::from_nanos(nanos))),
        (0u128..3).prop_map(Value::Natural),
    ];
    leaf.prop_recursive(3, 8, 1, |inner| {
        (inner, prop::collection::vec(any::<u8>(), 0..2))
            .prop_map(|(inner, bytes)| Value::Nested(Box::new(inner), bytes))
    })
}

/// Whether two values are one to a key: integers are equal by value, a pair is a tuple of two texts.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Integer(a), Value::Natural(b)) | (Value::Natural(b), Value::Integer(a)) => {
            u128::try_from(*a) == Ok(*b)
        }
        (Value::Nested(a, x), Value::Nested(b, y)) => same(a, b) && x == y,
        _ => a == b,
    }
}

proptest! {
    #[test]
    fn keys_are_equal_only_for_equal_values(a in prop::collection::vec(value(), 2), b in prop::collection::vec(value(), 2)) {
        let equal = a.iter().zip(&b).all(|(a, b)| same(a, b));
        prop_assert_eq!(bytes(&a) == bytes(&b), equal);
    }

    #[test]
    fn no_key_is_the_beginning_of_another(a in value(), b in value()) {
        prop_assume!(!same(&a, &b));
        prop_assert!(!bytes(&a).starts_with(&bytes(&b)));
    }

    #[test]
    fn a_key_is_the_same_inline_and_spilled(text in "[a-z]{0,300}", number in any::<u64>()) {
        let mut expect = bytes(text.as_str());
        expect.extend(bytes(&number));
        let mut key = KeyWriter::new();
        text.write(&mut key);
        number.write(&mut key);
        prop_assert_eq!(key.bytes(), expect);
    }
}

#[test]
fn what_holds_a_value_writes_what_it_holds() {
    let text = bytes("ada");
    assert_eq!(bytes(&"ada".to_owned()), text);
    assert_eq!(bytes(&&&"ada"), text);
    assert_eq!(bytes(&Box::new("ada")), text);
    assert_eq!(bytes(&Arc::<str>::from("ada")), text);
    assert_eq!(bytes(&Cow::Borrowed("ada")), text);
    assert_eq!(bytes(&7u8), bytes(&7i64));
    assert_eq!(bytes(&[1, 2]), bytes(&vec![1, 2]));
}

#[test]
fn a_nan_is_refused_and_zeros_differ() {
    for nan in [f64::NAN, -f64::NAN] {
        let mut key = KeyWriter::new();
        nan.write(&mut key);
        assert!(key.is_refused());
    }
    assert_ne!(bytes(&0.0), bytes(&-0.0));
    assert_eq!(bytes(&0.5f32), bytes(&0.5f64));
}

#[test]
fn a_key_that_would_fill_memory_is_refused() {
    let mut key = KeyWriter::new();
    "a".repeat(LONGEST + 1).write(&mut key);
    assert!(key.is_refused());
    assert!(key.bytes().len() <= LONGEST);
}

#[test]
fn instances_share_a_stripe_and_no_entry() {
    let hasher = Hashing::default();
    let [mut plain, mut one, mut other] = [(); 3].map(|()| KeyWriter::new());
    7.write(&mut plain);
    for (key, instance) in [(&mut one, "u8"), (&mut other, "u64")] {
        7.write(key);
        key.instance(instance);
    }
    assert_eq!(one.proper(), plain.bytes());
    assert_eq!(other.proper(), plain.bytes());
    let [plain, one, other] = [&plain, &one, &other].map(|key| Probe::new(1, key, &hasher));
    assert!(one.store() != other.store() && one.store() != plain.store());
}

fn bytes(value: &(impl CacheKey + ?Sized)) -> Vec<u8> {
    let mut key = KeyWriter::new();
    value.write(&mut key);
    assert!(!key.is_refused());
    key.bytes().to_vec()
}
