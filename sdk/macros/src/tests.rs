//! What the attributes refuse, and in which words. The accepted cases run in the tests of `perfdeck`.

use super::*;

/// Expands `#[attribute(words)] item` and compares the errors, one a line.
fn check(attribute: &str, words: &str, item: &str, errors: &str) {
    let item = || syn::parse_str::<syn::ItemFn>(item).unwrap();
    let expanded = match attribute {
        "cached" => syn::parse_str(words)
            .and_then(|words| cached::expand(&words, item(), cached::Kind::Value)),
        "cached_query" => syn::parse_str(words).and_then(|words: cached::QueryWords| {
            cached::expand(&words.0, item(), cached::Kind::Query)
        }),
        "cache_invalidate" => {
            syn::parse_str(words).and_then(|words| cache_invalidate::expand(&words, item()))
        }
        _ => syn::parse_str(words).and_then(|words| monitor::expand(&words, item())),
    };
    let seen: Vec<_> = match expanded {
        Ok(_) => Vec::new(),
        Err(error) => error.into_iter().map(|error| error.to_string()).collect(),
    };
    assert_eq!(seen.join("\n"), errors, "#[{attribute}({words})]");
}

#[test]
fn a_function_that_could_be_cached_has_the_words_of_one_that_is() {
    for (words, item, error) in [
        ("cacheable", "fn f(a: u32) -> u32 { a }", ""),
        (
            "skip(a), result",
            "async fn f(a: u32, b: &str) -> Answer { a }",
            "",
        ),
        (
            "key = \"{self.a}:{b}\", name = \"f\"",
            "fn f(&self, b: u32) -> u32 { b }",
            "",
        ),
        (
            "cacheable",
            "fn f(&self, b: u32) -> u32 { b }",
            "a method's receiver can't be part of a cache key: say what the answer depends on with `key = \"...\"`",
        ),
        (
            "skip(b)",
            "fn f(a: u32) -> u32 { a }",
            "there is no argument `b` to skip: remove it",
        ),
        (
            "cacheable",
            "fn f((a, b): (u32, u32)) -> u32 { a }",
            "#[monitor(cacheable)] needs a name for each argument: name it here and take it apart in the body",
        ),
        (
            "cached",
            "fn f(a: u32) -> u32 { a }",
            "`cached` means nothing to #[monitor]: use name, result, cacheable, key or skip",
        ),
    ] {
        check("monitor", words, item, error);
    }
}

#[test]
fn mistakes_in_the_words_are_named_with_a_remedy() {
    let item = "fn f(a: u32) -> u32 { a }";
    for (words, error) in [
        ("ttl = \"5m\", capacity = 10, skip(a),", ""),
        (
            "ttl = \"5 fortnights\"",
            "a ttl is whole seconds (300) or a text such as \"250ms\", \"90s\", \"5m\", \"1h\", \"1d\"",
        ),
        ("ttl = 5, ttl = 6", "`ttl` is given twice: leave one out"),
        (
            "tttl = 5",
            "`tttl` means nothing to #[cached]: use ttl, stale_while_revalidate, fail_safe, soft_timeout, negative_ttl, \
             namespace, capacity, capacity_bytes, weigh, eviction, key, tags, skip, deck, redis, schema, result, option or inline",
        ),
        (
            "eviction = \"fifo\"",
            "an eviction is \"default\", \"lru\" or \"tiny_lfu\"",
        ),
        (
            "capacity = 10, capacity_bytes = 10",
            "a capacity is of entries or of bytes: leave one out",
        ),
        (
            "tags(\"user:{a}\", a), weigh = |_| 8, fail_safe = \"1h\"",
            "",
        ),
        ("redis, schema = 2", ""),
        (
            "schema = 2",
            "a `schema` is of values in Redis: write `redis`, too",
        ),
        ("skip(b)", "there is no argument `b` to skip: remove it"),
        (
            "key = \"a\", skip(a)",
            "a `key` names all that counts: remove `skip`",
        ),
        (
            "key = \"\"",
            "the key is empty: name what it is made of, or leave it out",
        ),
        (
            "key = \"docs:{a\"",
            "a brace without its other half: write `{{` or `}}` for a plain one",
        ),
        (
            "key = \"docs:{a:?}\"",
            "`{a:?}` is no expression over the arguments: a key takes values, not formats",
        ),
        (
            "option",
            "`option` needs a function that returns an Option: remove it",
        ),
    ] {
        check("cached", words, item, error);
    }
}

#[test]
fn functions_that_can_not_be_wrapped_are_refused() {
    let receiver = "a method's receiver can't be part of a cache key: say what the answer depends on with \
                    `key = \"...\"`";
    for (attribute, item, error) in [
        ("cached", "fn f(&self, a: u32) -> u32 { a }", receiver),
        (
            "cached",
            "const fn f() -> u32 { 1 }",
            "a const function can't have #[cached]: remove `const`",
        ),
        (
            "cached",
            "fn f((a, b): (u32, u32)) -> u32 { a + b }",
            "#[cached] needs a name for each argument: name it here and take it apart in the body",
        ),
        (
            "monitor",
            "unsafe fn f() {}",
            "an unsafe function can't have #[monitor]: put the attribute on a safe function around it",
        ),
        (
            "cache_invalidate",
            "fn f() {}",
            "the namespace comes first: #[cache_invalidate(\"analytics\")]",
        ),
    ] {
        check(attribute, "", item, error);
    }
}

#[test]
fn several_mistakes_are_told_at_once() {
    check(
        "cached",
        "option",
        "const fn f((a, b): (u32, u32)) -> u32 { a + b }",
        "a const function can't have #[cached]: remove `const`\n\
         `option` needs a function that returns an Option: remove it\n\
         #[cached] needs a name for each argument: name it here and take it apart in the body",
    );
}

#[test]
fn a_query_is_async_and_stays_in_its_instance() {
    let redis = "a query's result stays in its instance: remove `redis`, or use #[cached] and invalidate it by hand";
    let sync = "a query is waited for: make the function async, or use #[cached]";
    for (words, item, errors) in [
        ("ttl = \"5m\", skip(pool)", "async fn f(pool: Pool, a: u32) -> Result<u32, E> { g(pool, a).await }", String::new()),
        ("", "fn f(a: u32) -> u32 { a }", sync.to_owned()),
        ("redis", "async fn f(a: u32) -> u32 { a }", redis.to_owned()),
        (
            "table = \"users\"",
            "async fn f(a: u32) -> u32 { a }",
            "`table` means nothing to #[cached_query]: use ttl, stale_while_revalidate, fail_safe, soft_timeout, negative_ttl, \
             namespace, capacity, capacity_bytes, weigh, eviction, key, tags, skip, deck, result, option or inline"
                .to_owned(),
        ),
        ("redis", "const fn f(a: u32) -> u32 { a }", format!("a const function can't have #[cached_query]: remove `const`\n{sync}\n{redis}")),
        ("", "async fn f(&self) -> u32 { 1 }", "a method's receiver can't be part of a cache key: say what the answer depends on with `key = \"...\"`".to_owned()),
    ] {
        check("cached_query", words, item, &errors);
    }
}
