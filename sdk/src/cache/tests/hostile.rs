//! What stands under the names of values in Redis, whoever wrote it.

use std::time::Instant;

use perfdeck_tests::redis::Server;
use proptest::prelude::*;

use super::super::remote::envelope::{Header, LONGEST};
use super::fleet::{Origin, PATIENCE, assert_conserved, get, stored, user};
use super::shared::{attached, instance};
use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn promise_41_hostile_bytes_are_a_miss() {
    let server = Server::start().unwrap();
    let ((one, users), (two, others)) = (instance(&server), instance(&server));
    attached(&[&one, &two]);
    let origin = Origin::taking(1);
    assert!(get(&users, 7, &origin).await.is_ok());
    stored(&server, 1);
    let overwrite = |script: &str| {
        let script = format!("local key = redis.call('KEYS', 'pd1:shop:v:*')[1] {script}");
        let answer = server.ask(&["EVAL", &script, "0"]).unwrap();
        assert!(!answer.starts_with('-'), "{answer}");
    };
    for (at, script) in [
        "redis.call('SET', key, '')",
        "redis.call('SET', key, 'x')",
        "redis.call('SET', key, string.rep('x', 100))",
        "redis.call('SET', key, string.rep('x', 40000000))",
        "redis.call('SETRANGE', key, 100, 'wrong')",
        "redis.call('SETRANGE', key, 84, '\\255\\255\\255\\255')",
        "redis.call('SET', key, string.sub(redis.call('GET', key), 1, -2))",
    ]
    .into_iter()
    .enumerate()
    {
        overwrite(script);
        let before = (origin.loads(), two.standing().unwrap().undecodable);
        // Only here is nothing held any more.
        others.space.forget();
        assert_eq!(get(&others, 7, &origin).await, Ok(user(7, 0)), "{script}");
        assert_eq!(origin.loads(), before.0 + 1, "{script}");
        if at > 0 {
            assert!(two.standing().unwrap().undecodable > before.1, "{script}");
        }
        // It was loaded under a lease, and its place taken.
        let whole = || {
            others.space.forget();
            let (others, origin) = (others.clone(), Arc::clone(&origin));
            let before = origin.loads();
            async move { get(&others, 7, &origin).await == Ok(user(7, 0)) && origin.loads() == before }
        };
        let since = Instant::now();
        while !whole().await {
            assert!(since.elapsed() < PATIENCE, "{script}");
        }
    }
    // Another's kind of thing under the name: never taken, never replaced, and of no consequence.
    overwrite("redis.call('DEL', key) redis.call('LPUSH', key, 'x')");
    others.space.forget();
    assert_eq!(get(&others, 7, &origin).await, Ok(user(7, 0)));
    assert_conserved(&two);
}

fn header(seed: u8) -> Header {
    Header {
        token: [seed; 16],
        fingerprint: u64::from(seed) << 40,
        check: [seed ^ 1; 16],
        stamp: [seed ^ 2; 16],
        fresh: (seed > 9).then(|| Duration::from_millis(u64::from(seed))),
        kept: Duration::from_secs(u64::from(seed)),
        cost: Duration::from_nanos(u64::from(seed)),
    }
}

#[test]
fn a_value_stands_in_redis_as_version_1_says() {
    let sealed = header(7).sealed(b"abc").unwrap();
    let hex: String = sealed.iter().map(|byte| format!("{byte:02x}")).collect();
    let expected = concat!(
        "706401",
        "00",
        "07070707070707070707070707070707",
        "0000000000070000",
        "06060606060606060606060606060606",
        "05050505050505050505050505050505",
        "0000000000000000",
        "581b000000000000",
        "0700000000000000",
        "03000000",
    );
    assert_eq!(&hex[..176], expected);
    assert_eq!(&hex[184..], "616263");
    assert_eq!(Header::opened(&sealed), Some((header(7), b"abc".to_vec())));
}

#[test]
fn long_values_are_compressed_and_the_longest_refused() {
    let even = vec![7; 8 << 20];
    let sealed = header(1).sealed(&even).unwrap();
    assert!(sealed.len() < 100_000);
    assert_eq!(Header::opened(&sealed).unwrap().1, even);
    assert!(header(1).sealed(&vec![7; 17 << 20]).is_none());
    let noise: Vec<u8> = (0..2_u64 << 20)
        .map(|i| (i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8 ^ (i >> 3) as u8)
        .collect();
    assert!(header(1).sealed(&noise).is_none() || noise.len() < LONGEST);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn promise_41_a_value_is_whole_or_none(
        payload in proptest::collection::vec(any::<u8>(), 0..6_000),
        seed in any::<u8>(),
        at in any::<proptest::sample::Index>(),
        flip in 1_u8..,
    ) {
        let sealed = header(seed).sealed(&payload).unwrap();
        prop_assert_eq!(Header::opened(&sealed), Some((header(seed), payload)));
        let mut broken = sealed.clone();
        broken[at.index(sealed.len())] ^= flip;
        prop_assert_eq!(Header::opened(&broken), None);
        prop_assert_eq!(Header::opened(&sealed[..at.index(sealed.len())]), None);
    }

    #[test]
    fn promise_41_any_bytes_are_read_within_bounds(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        prop_assert_eq!(Header::opened(&bytes), None);
    }
}
