//! The attribute macros of perfdeck; use them through the crate `perfdeck`, which documents them.
//!
//! Each attribute reads its words (`argument`), looks at the function (`function`), and writes the new body. What it
//! writes names `::perfdeck::__private` only, so that everything that can be code of the library is.

use proc_macro::TokenStream;
use syn::parse_macro_input;

mod argument;
mod cache_invalidate;
mod cached;
mod function;
mod key;
mod monitor;

/// Caches what a function returns.
///
/// A call whose arguments were seen before gets a clone of that call's value, and callers who miss at the same time
/// share one run of the body. Before any deck is started the body just runs.
///
/// | word | meaning |
/// |---|---|
/// | `ttl = 300`, `ttl = "5m"` | how long an entry is served, in seconds or as text of `ms`, `s`, `m`, `h`, `d`; it may only shorten the namespace's |
/// | `stale_while_revalidate = "1m"` | for how long after that it is still served while one load refreshes it |
/// | `fail_safe = "1h"` | for how long after that it is kept to be served if a load fails |
/// | `soft_timeout = "200ms"` | how long a caller waits for a load that `fail_safe` could stand in for |
/// | `negative_ttl = "5s"` | how long `None` or `Ok(None)` is remembered |
/// | `namespace = "analytics"` | the namespace; the function's path by default |
/// | `capacity = 1000` | entries of the namespace, if this function is the first to say so |
/// | `capacity_bytes = 10000000` | bytes of the namespace instead |
/// | `weigh = \|value\| value.len()` | the bytes that a value takes; without it only the type's own size is known |
/// | `eviction = "lru"` | which entry has to go when the namespace is full, if this function is the first to say so: `"default"`, or, with the feature `moka`, `"lru"`, `"tiny_lfu"` |
/// | `key = "workspace"` | an expression over the arguments instead of all of them; methods need it |
/// | `key = "docs:{workspace}:{status}"` | a text with arguments in it; they are kept apart whatever they contain |
/// | `tags("user:{id}", shop)` | at most 8 tags, written like keys, by which entries are invalidated together |
/// | `redis` | what one instance loads the others take from the deck's Redis; the value has to be `Serialize` and `DeserializeOwned` |
/// | `schema = 2` | the version of what such values mean, for when that changes and the type's fields don't |
/// | `skip(pool, now)` | arguments that are not part of the key |
/// | `deck = EXPR` | another deck than the first that was started |
/// | `result` | the return type is a `Result` under another name |
/// | `option` | `None` is returned and not cached, unless there is a `negative_ttl` |
/// | `inline` | the load runs in its caller, not in a task of its own |
///
/// Of a `Result` only `Ok` is cached; an error goes to all who waited for it if it is `Clone`, and else each of them
/// runs the body. An async function whose arguments are all its own loads in a task of its own, so that a caller that
/// goes away doesn't stop it; task-locals of the host aren't seen there. One that borrows, has type parameters or a
/// receiver, or calls itself, loads in its caller.
#[proc_macro_attribute]
pub fn cached(words: TokenStream, item: TokenStream) -> TokenStream {
    let words = parse_macro_input!(words as cached::Words);
    let function = parse_macro_input!(item as syn::ItemFn);
    cached::expand(&words, function, cached::Kind::Value)
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}

/// Caches what a function returns that asks a database, and lets it go when a table changes that it read.
///
/// It takes the words of [`macro@cached`], but for `redis` and `schema`. Which tables the value follows from is seen while
/// the body runs: those of the statements that it runs on the deck's pools. A statement through one of them, here or in an
/// instance that shares the deck's Redis, that changes one of the tables makes the value unusable, in a transaction when
/// that has committed.
///
/// The value is returned and not kept if nothing would invalidate it: if the body ran no statement on the deck's pools, or
/// one in a transaction, or one whose result follows from more than its tables, as `now()` does, or that can't be read.
/// Statements in tasks that the body spawns, and on other pools, are not seen. What changes tables unseen is told at
/// `CacheQuery`.
#[proc_macro_attribute]
pub fn cached_query(words: TokenStream, item: TokenStream) -> TokenStream {
    let words = parse_macro_input!(words as cached::QueryWords);
    let function = parse_macro_input!(item as syn::ItemFn);
    cached::expand(&words.0, function, cached::Kind::Query)
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}

/// Makes cached values unusable once the function has succeeded.
///
/// `#[cache_invalidate("analytics")]` takes the whole namespace, `#[cache_invalidate("analytics", key = "workspace")]`
/// the entries whose key equals, of all functions in it, and `tag = "user:{id}"` those that have the tag. It acts after the body returned `Ok`, or anything if it
/// returns no `Result`; a call that is cancelled or panics invalidates nothing. The key is made before the body runs.
/// `result` says that the return type is a `Result` under another name, `deck = EXPR` names another deck than the
/// first that was started. Several attributes on one function add up.
///
/// Where the body ran statements in a transaction of a pool that the deck wraps, and left it open, the invalidation waits:
/// it takes effect when that transaction has committed, and never if it is rolled back or dropped. Until then others read
/// what was there before, and may cache it. The transaction is known by its statements, whatever way the body came by it;
/// statements outside of it make the invalidation take effect at once, too. What can't be seen are transactions of sqlx's
/// own pool, statements in tasks that the body spawns, and those of a function that isn't async: there it is at once.
#[proc_macro_attribute]
pub fn cache_invalidate(words: TokenStream, item: TokenStream) -> TokenStream {
    let words = parse_macro_input!(words as cache_invalidate::Words);
    let function = parse_macro_input!(item as syn::ItemFn);
    cache_invalidate::expand(&words, function)
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}

/// Times a function, and counts an `Err` as an error.
///
/// It is shown by its path, or as `name = "..."` says. An async function is timed from its first poll to its end,
/// waiting included. `result` says that the return type is a `Result` under another name.
///
/// `cacheable`, with the feature `cache`, says that equal calls could return the same: perfdeck then looks at some of them
/// while the function is among what takes the most time, and advises `#[cached]` if they do, with what that would save. All
/// arguments count, as `CacheKey`s; `skip(pool, now)` leaves some out, `key = "..."` says what counts instead, and each of
/// the two means `cacheable`, too. What is looked at are hashes of the arguments and of what is returned: of its `Hash`,
/// else of what its `Debug` prints, up to 64 KiB. Where it is neither the advice says that nobody compared. Of a `Result`
/// the values count, and errors don't.
#[proc_macro_attribute]
pub fn monitor(words: TokenStream, item: TokenStream) -> TokenStream {
    let words = parse_macro_input!(words as monitor::Words);
    let function = parse_macro_input!(item as syn::ItemFn);
    monitor::expand(&words, function)
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}

#[cfg(test)]
mod tests;
