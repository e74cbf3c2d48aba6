//! How the fields are read that say how long a response is fresh. The bench's clock begins at 08:00:00.

use super::*;

type Fields = &'static [(&'static str, &'static str)];

async fn table(cases: &[(Fields, u64)]) {
    for (fields, seconds) in cases {
        fresh_for(fields, *seconds).await;
    }
}

/// With `Cache-Control: max-age=90`.
macro_rules! aged {
    ($($age:literal),+) => {
        &[("cache-control", "max-age=90"), $(("age", $age)),+]
    };
}

#[tokio::test]
async fn rfc9111_5_1_of_several_ages_the_first_counts() {
    table(&[
        (aged!("60, 0"), 30),
        (aged!("0, 60"), 90),
        (aged!("60", "0"), 30),
        (aged!("0", "60"), 90),
        (aged!("0, 0"), 90),
        (aged!("0", "0"), 90),
        (aged!("60", "60"), 30),
    ])
    .await;
}

#[tokio::test]
async fn rfc9111_5_1_an_age_that_is_no_number_is_ignored() {
    table(&[
        (aged!("abc"), 90),
        (aged!("-7200"), 90),
        (aged!("7200.0"), 90),
        (aged!("7200;a=b"), 90),
        (aged!(""), 90),
    ])
    .await;
}

#[tokio::test]
async fn rfc9111_1_2_2_an_age_of_many_digits_is_old() {
    table(&[
        (aged!("2147483647"), 0),
        (aged!("2147483648"), 0),
        (aged!("2147483649"), 0),
        (aged!("99999999999999999999999"), 0),
    ])
    .await;
}

#[tokio::test]
async fn rfc9111_4_2_1_expires_counts_from_the_date() {
    table(&[
        (&[("expires", "Fri, 15 Jan 2027 07:00:00 GMT")], 0),
        (&[("expires", "Fri, 15 Jan 2027 08:00:00 GMT")], 0),
        (
            &[
                ("date", "Fri, 15 Jan 2027 08:06:40 GMT"),
                ("expires", "Fri, 15 Jan 2027 08:05:00 GMT"),
            ],
            0,
        ),
        (
            &[
                ("date", "foo"),
                ("expires", "Fri, 15 Jan 2027 08:00:10 GMT"),
            ],
            10,
        ),
    ])
    .await;
}

#[tokio::test]
async fn rfc9111_4_2_3_the_age_is_held_against_expires_whether_the_date_is_slow_or_fast() {
    table(&[
        (
            &[
                ("date", "Fri, 15 Jan 2027 07:59:50 GMT"),
                ("expires", "Fri, 15 Jan 2027 08:00:10 GMT"),
                ("age", "25"),
            ],
            0,
        ),
        (
            &[
                ("date", "Fri, 15 Jan 2027 08:00:10 GMT"),
                ("expires", "Fri, 15 Jan 2027 08:00:20 GMT"),
                ("age", "15"),
            ],
            0,
        ),
        (
            &[
                ("date", "Fri, 15 Jan 2027 08:00:10 GMT"),
                ("expires", "Fri, 15 Jan 2027 08:00:20 GMT"),
                ("age", "4"),
            ],
            6,
        ),
    ])
    .await;
}

#[tokio::test]
async fn rfc9111_5_3_expires_that_is_no_date_or_two_is_in_the_past() {
    table(&[
        (&[("expires", "Fri, 15 Jan 2027 08:00:10 UTC")], 0),
        (&[("expires", "Fri, 15 Jan 2027 08:00:10 AEST")], 0),
        (&[("expires", "Fri, 15 Jan 27 08:00:10 GMT")], 0),
        (&[("expires", "Fri 15 Jan 2027 08:00:10 GMT")], 0),
        (&[("expires", "Fri, 15  Jan  2027 08:00:10 GMT")], 0),
        (&[("expires", "Fri, 15-Jan-2027 08:00:10 GMT")], 0),
        (&[("expires", "Fri, 15 Jan 2027 08.00.10 GMT")], 0),
        (&[("expires", "Fri, 15 Jan 2027 8:00:10 GMT")], 0),
        (&[("expires", "Thu, 15 Jan 2027 08:00:10 GMT")], 0),
        (
            &[
                ("expires", "Fri, 15 Jan 2027 08:00:10 GMT"),
                ("expires", "Fri, 15 Jan 2027 08:00:11 GMT"),
            ],
            0,
        ),
    ])
    .await;
}

#[tokio::test]
async fn rfc9111_4_2_a_date_is_read_in_any_case() {
    table(&[
        (&[("expires", "FRI, 15 Jan 2027 08:00:10 GMT")], 10),
        (&[("expires", "Fri, 15 JAN 2027 08:00:10 GMT")], 10),
        (&[("expires", "Fri, 15 Jan 2027 08:00:10 gMT")], 10),
        (&[("expires", "friDAY, 15-jan-27 08:00:10 gmt")], 10),
        (&[("expires", "fri jan 15 08:00:10 2027")], 10),
    ])
    .await;
}

#[tokio::test]
async fn rfc9111_5_2_2_1_max_age_goes_before_expires() {
    table(&[
        (
            &[
                ("cache-control", "max-age=0"),
                ("expires", "Fri, 15 Jan 2027 09:00:00 GMT"),
            ],
            0,
        ),
        (
            &[
                ("cache-control", "max-age=10"),
                ("expires", "Fri, 15 Jan 2027 07:00:00 GMT"),
            ],
            10,
        ),
        (&[("cache-control", "max-age=10"), ("expires", "0")], 10),
    ])
    .await;
}

#[tokio::test]
async fn rfc9111_5_2_2_10_s_maxage_goes_before_both_on_whatever_line() {
    table(&[
        (
            &[
                ("cache-control", "max-age=90"),
                ("cache-control", "s-maxage=5"),
            ],
            5,
        ),
        (
            &[
                ("cache-control", "s-maxage=5"),
                ("cache-control", "max-age=90"),
            ],
            5,
        ),
        (&[("cache-control", "max-age=90, s-maxage=5")], 5),
        (
            &[
                ("cache-control", "max-age=0, s-maxage=10"),
                ("expires", "Fri, 15 Jan 2027 07:00:00 GMT"),
            ],
            10,
        ),
    ])
    .await;
}

#[tokio::test]
async fn rfc9111_5_2_a_directive_is_read_by_its_grammar() {
    table(&[
        (&[("cache-control", "ext=\"max-age=90\", max-age=1")], 1),
        (&[("cache-control", "max-age=1, ext=\"max-age=90\"")], 1),
        (&[("cache-control", "foobar, max-age=10")], 10),
        (&[("cache-control", "MaX-aGe=10")], 10),
        (&[("cache-control", "max-age=0010")], 10),
        (&[("cache-control", "max-age='10'")], 0),
        (&[("cache-control", "max-age=a10")], 0),
        (&[("cache-control", "max-age=10a")], 0),
    ])
    .await;
}
