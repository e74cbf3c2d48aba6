use std::time::Duration;

use perfdeck_bridge::protocol::Timestamp;
use proptest::prelude::*;

use super::*;

#[test]
fn durations_have_three_digits_and_a_unit() {
    let check = |value: f64, expected: &str| assert_eq!(seconds(value), expected, "{value}");
    check(0.412, "412ms");
    check(0.038, "38.0ms");
    check(0.0041, "4.10ms");
    check(0.000_014, "14.0us");
    check(1.2, "1.20s");
    check(31.4, "31.4s");
    check(125.0, "2m05s");
    check(0.0, "0ms");
    check(0.9996, "1.00s");
    check(f64::NAN, "-");
}

#[test]
fn a_column_is_told_in_one_unit() {
    let unit = TimeUnit::of([0.412, 1.9, f64::NAN]);
    assert_eq!(unit.tell(0.412), "412ms");
    assert_eq!(unit.tell(1.9), "1 900ms");
    assert_eq!(TimeUnit::of([31.4]).tell(0.412), "0.41s");
}

#[test]
fn quantities_rates_and_sizes_take_prefixes() {
    let check = |told: String, expected: &str| assert_eq!(told, expected);
    check(rate(148.0), "148/s");
    check(rate(1_910.0), "1.91k/s");
    check(quantity(12.9), "12.9");
    check(quantity(999.7), "1.00k");
    check(quantity(-1_500.0), "-1.50k");
    check(bytes((412_u64 << 20) as f64), "412MiB");
    check(bytes(11.0 * 1_048_576.0), "11.0MiB");
    check(bytes(0.0), "0B");
    check(rate(61.0), "61.0/s");
    check(about(0.096), "96ms");
    check(about(0.004), "4ms");
    check(about(0.0613), "61ms");
    check(about(0.0002), "0.2ms");
    check(about(1.26), "1.3s");
    check(about(0.0), "0ms");
    check(count(205_113), "205 113");
    check(count(99), "99");
}

#[test]
fn shares_and_changes_are_percent() {
    let check = |told: String, expected: &str| assert_eq!(told, expected);
    check(share(0.008), "0.8%");
    check(share(0.61), "61%");
    check(share(0.0), "0%");
    check(share(0.000_01), "<0.1%");
    check(share(1.0), "100%");
    check(change(-0.79), "-79%");
    check(change(0.06), "+6%");
}

#[test]
fn ages_and_clocks_are_short() {
    let check = |seconds, expected: &str| assert_eq!(age(Duration::from_secs(seconds)), expected);
    check(1, "1s");
    check(125, "2m05s");
    check(1_140, "19m");
    check(11_520, "3h12m");
    check(190_000, "2d04h");
    let at = Timestamp::from_micros(1_773_498_100_000_000);
    assert_eq!(
        (clock(at), clock_seconds(at)),
        ("14:21".to_owned(), "14:21:40".to_owned())
    );
}

#[test]
fn what_moves_a_terminal_is_written_out() {
    let check = |text: &str, expected: &str| assert_eq!(printable(text, 80), expected);
    check("\x1b[31mred", "\\x1b[31mred");
    check("a\u{9b}2J", "a\\x9b2J");
    check("a\nb\t\r", "a\\nb\\t\\r");
    check("\u{202e}abc", "\\u{202e}abc");
    check("a\u{200d}b\u{feff}", "a\\u{200d}b\\u{feff}");
    check("e\u{301}", "e\\u{301}");
    check("宽字符 ok", "宽字符 ok");
    check(
        "plain `text` – with “quotes”",
        "plain `text` – with “quotes”",
    );
}

#[test]
fn text_is_cut_between_words() {
    let check = |text: &str, limit, expected: &str| assert_eq!(fit(text, limit), expected);
    check("SELECT id FROM documents", 20, "SELECT id FROM…");
    check("unbreakable_identifier", 10, "unbreakab…");
    check("fits", 4, "fits");
    check("宽字符", 5, "宽字…");
    check("any", 0, "");
}

#[test]
fn text_is_wrapped_between_words() {
    let lines = wrap("one two three four", 9, 3);
    assert_eq!(lines, ["one two", "three", "four"]);
    assert_eq!(wrap("one two three four", 9, 2), ["one two", "three…"]);
    assert_eq!(wrap("abcdefgh", 3, 9), ["abc", "def", "gh"]);
}

proptest! {
    #[test]
    fn printable_text_fits_and_harms_nothing(text in any::<String>(), limit in 0_usize..60) {
        let shown = printable(&text, limit);
        prop_assert!(width(&shown) <= limit);
        prop_assert!(shown.chars().all(|char| !char.is_control()));
        prop_assert_eq!(printable(&shown, limit), shown.clone());
        for line in wrap(&shown, limit, 4) {
            prop_assert!(width(&line) <= limit.max(2));
        }
    }

    #[test]
    fn numbers_never_panic(value in any::<f64>()) {
        for told in [seconds(value), quantity(value), bytes(value), share(value), change(value)] {
            prop_assert!(!told.is_empty());
        }
    }
}

#[test]
fn a_route_keeps_its_method_and_its_end() {
    let check = |route, limit, expected| assert_eq!(fit_route(route, limit), expected, "{route}");
    let documents = "GET /workspaces/{workspace}/documents";
    check(documents, 40, documents);
    check(documents, 30, "GET …/{workspace}/documents");
    check(documents, 24, "GET …/documents");
    check(documents, 16, "GET …/documents");
    check(documents, 8, "…cuments");
    check(documents, 1, "…");
    check(documents, 0, "");
    check("background", 8, "…kground");
    check("GET /日本語/日本語", 12, "GET …/日本語");
}
