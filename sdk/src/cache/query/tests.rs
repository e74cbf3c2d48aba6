//! Bound values as keys: two lists of them share one only if they are the same to the database.

use proptest::prelude::*;
use sqlx::Arguments as _;

use super::super::key::KeyWriter;
use super::bound::Bindable;

/// A value as a host binds it.
#[derive(Debug, Clone, PartialEq)]
enum Value {
    Bool(bool),
    Small(i16),
    Int(i32),
    Long(i64),
    Double(f64),
    Text(String),
    Maybe(Option<String>),
    MaybeInt(Option<i32>),
    Bytes(Vec<u8>),
    /// PostgreSQL's alone, as is the next.
    Ints(Vec<i32>),
    Texts(Vec<Option<String>>),
}

fn value() -> impl Strategy<Value = Value> {
    // Few, so that many are equal, and such as could be taken for the marks between values.
    let text = || {
        prop_oneof![
            Just(String::new()),
            "[a\"\\\\,()\u{0} ]{1,3}",
            Just("Int(1)".to_owned()),
            Just("\"), Int64(1), Text(\"".to_owned()),
            Just("], buffer: PgArgumentBuffer { buffer: [".to_owned()),
            Just("Declare".to_owned()),
            Just("buffer".to_owned()),
        ]
    };
    let int = || -1..=1_i32;
    let bytes = prop::collection::vec(prop_oneof![Just(0), Just(1), Just(255), Just(b'a')], 0..6);
    prop_oneof![
        any::<bool>().prop_map(Value::Bool),
        (-1..=1_i16).prop_map(Value::Small),
        int().prop_map(Value::Int),
        (-1..=1_i64).prop_map(Value::Long),
        prop_oneof![
            Just(0.0),
            Just(-0.0),
            Just(1.0),
            Just(f64::MIN_POSITIVE),
            any::<f64>()
        ]
        .prop_filter("NaN equals nothing", |number| !number.is_nan())
        .prop_map(Value::Double),
        text().prop_map(Value::Text),
        prop::option::of(text()).prop_map(Value::Maybe),
        prop::option::of(int()).prop_map(Value::MaybeInt),
        bytes.prop_map(Value::Bytes),
        prop::collection::vec(int(), 0..3).prop_map(Value::Ints),
        prop::collection::vec(prop::option::of(text()), 0..3).prop_map(Value::Texts),
    ]
}

fn key<DB: Bindable>(arguments: &mut DB::Arguments) -> Option<Vec<u8>> {
    let mut written = true;
    let key = KeyWriter::written(|key| written = DB::write(arguments, key));
    (written && !key.is_refused()).then(|| key.bytes().to_vec())
}

macro_rules! bind {
    ($arguments:expr, $value:expr, { $($more:pat => $add:expr),* }) => {
        match $value {
            Value::Bool(value) => $arguments.add(*value).unwrap(),
            Value::Small(value) => $arguments.add(*value).unwrap(),
            Value::Int(value) => $arguments.add(*value).unwrap(),
            Value::Long(value) => $arguments.add(*value).unwrap(),
            Value::Double(value) => $arguments.add(*value).unwrap(),
            Value::Text(value) => $arguments.add(value.clone()).unwrap(),
            Value::Maybe(value) => $arguments.add(value.clone()).unwrap(),
            Value::MaybeInt(value) => $arguments.add(*value).unwrap(),
            Value::Bytes(value) => $arguments.add(value.clone()).unwrap(),
            $($more => $add),*
        }
    };
}

#[cfg(feature = "sqlx-postgres")]
mod postgres {
    use sqlx::Postgres;
    use sqlx::postgres::PgArguments;

    use super::*;

    fn arguments(values: &[Value]) -> PgArguments {
        let mut arguments = PgArguments::default();
        for value in values {
            bind!(arguments, value, {
                Value::Ints(value) => arguments.add(value.clone()).unwrap(),
                Value::Texts(value) => arguments.add(value.clone()).unwrap()
            });
        }
        arguments
    }

    /// What the server can tell apart: `Some` isn't told from what it holds.
    fn told(values: &[Value]) -> Vec<String> {
        let told = |value: &Value| match value {
            Value::Maybe(Some(text)) => format!("{:?}", Value::Text(text.clone())),
            Value::MaybeInt(Some(int)) => format!("{:?}", Value::Int(*int)),
            Value::Double(number) => format!("Double {:x}", number.to_bits()),
            value => format!("{value:?}"),
        };
        values.iter().map(told).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_000))]
        #[test]
        fn keys_are_equal_only_for_equal_values(
            one in prop::collection::vec(value(), 0..4),
            other in prop::collection::vec(value(), 0..4),
        ) {
            let keys = (key::<Postgres>(&mut arguments(&one)), key::<Postgres>(&mut arguments(&other)));
            prop_assert!(keys.0.is_some() && keys.1.is_some());
            prop_assert_eq!(keys.0 == keys.1, told(&one) == told(&other));
        }
    }

    #[test]
    fn what_is_looked_at_is_left_as_it_was() {
        let values = [
            Value::Text("a".to_owned()),
            Value::Long(7),
            Value::Ints(vec![1]),
        ];
        let (mut seen, unseen) = (arguments(&values), arguments(&values));
        let first = key::<Postgres>(&mut seen);
        assert_eq!(format!("{seen:?}"), format!("{unseen:?}"));
        assert_eq!(key::<Postgres>(&mut seen), first);
    }

    #[test]
    fn types_of_the_hosts_own_are_told_apart() {
        #[derive(sqlx::Type)]
        #[sqlx(type_name = "mood", rename_all = "lowercase")]
        enum Mood {
            Good,
            Bad,
        }
        #[derive(sqlx::Type)]
        #[sqlx(type_name = "weather", rename_all = "lowercase")]
        enum Weather {
            Good,
        }
        #[derive(sqlx::Type)]
        #[sqlx(type_name = "pair")]
        struct Pair {
            mood: Mood,
            number: i32,
        }
        fn of<T>(value: T) -> Option<Vec<u8>>
        where
            T: for<'q> sqlx::Encode<'q, Postgres> + sqlx::Type<Postgres>,
        {
            let mut arguments = PgArguments::default();
            arguments.add(value).unwrap();
            key::<Postgres>(&mut arguments)
        }
        let pair = |mood, number| of(Pair { mood, number });
        let keys = [
            of(Mood::Good),
            of(Mood::Bad),
            of(Weather::Good),
            of("good"),
            pair(Mood::Good, 1),
            pair(Mood::Bad, 1),
            pair(Mood::Good, 2),
        ];
        assert!(keys.iter().all(Option::is_some));
        let distinct: std::collections::HashSet<_> = keys.iter().collect();
        assert_eq!(distinct.len(), keys.len());
        assert_eq!(pair(Mood::Good, 1), pair(Mood::Good, 1));
    }

    #[test]
    fn long_values_take_no_more_of_the_key_than_they_have() {
        // A vector of 1,536 dimensions, as bytes.
        let mut arguments = arguments(&[Value::Bytes(vec![200; 6_144])]);
        let key = key::<Postgres>(&mut arguments).unwrap();
        assert!(key.len() < 6_144 + 150, "{}", key.len());
    }
}

#[cfg(feature = "sqlx-sqlite")]
mod sqlite {
    use sqlx::Sqlite;
    use sqlx::sqlite::SqliteArguments;

    use super::*;

    fn arguments(values: &[Value]) -> SqliteArguments {
        let mut arguments = SqliteArguments::default();
        for value in values {
            bind!(arguments, value, { Value::Ints(_) | Value::Texts(_) => {} });
        }
        arguments
    }

    /// What SQLite can tell apart, and the widths of its integers.
    fn told(values: &[Value]) -> Vec<String> {
        let told = |value: &Value| match value {
            Value::Bool(value) => format!("Int({})", i32::from(*value)),
            Value::Small(int) => format!("Int({int})"),
            Value::Int(int) | Value::MaybeInt(Some(int)) => format!("Int({int})"),
            Value::Maybe(Some(text)) => format!("{:?}", Value::Text(text.clone())),
            Value::Maybe(None) | Value::MaybeInt(None) => "Null".to_owned(),
            Value::Double(number) => format!("Double {:x}", number.to_bits()),
            value => format!("{value:?}"),
        };
        let kept = values
            .iter()
            .filter(|value| !matches!(value, Value::Ints(_) | Value::Texts(_)));
        kept.map(told).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_000))]
        #[test]
        fn keys_are_equal_only_for_equal_values(
            one in prop::collection::vec(value(), 0..4),
            other in prop::collection::vec(value(), 0..4),
        ) {
            let keys = (key::<Sqlite>(&mut arguments(&one)), key::<Sqlite>(&mut arguments(&other)));
            prop_assert!(keys.0.is_some() && keys.1.is_some());
            prop_assert_eq!(keys.0 == keys.1, told(&one) == told(&other));
        }
    }
}
