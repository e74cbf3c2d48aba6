use std::time::Duration;

use proc_macro2::{Ident, TokenStream};
use quote::{quote, quote_spanned};
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Error, Expr, ItemFn, LitStr, Result, Token, parenthesized};

use crate::{argument, function, key};

#[derive(Default)]
pub(crate) struct Words {
    ttl: Option<Duration>,
    stale: Option<Duration>,
    fail_safe: Option<Duration>,
    soft_timeout: Option<Duration>,
    negative_ttl: Option<Duration>,
    namespace: Option<LitStr>,
    capacity: Option<u64>,
    capacity_bytes: Option<u64>,
    eviction: Option<Ident>,
    weigh: Option<Expr>,
    tags: Option<Vec<TokenStream>>,
    key: Option<(Ident, TokenStream)>,
    skip: Option<Vec<Ident>>,
    deck: Option<Expr>,
    result: Option<Ident>,
    option: Option<Ident>,
    inline: Option<Ident>,
    redis: Option<Ident>,
    schema: Option<(Ident, u64)>,
}

/// What of the returned value is cached.
enum Kept {
    All,
    Ok,
    Some,
}

impl Parse for Words {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let mut words = Self::default();
        while !input.is_empty() {
            let word: Ident = input.parse()?;
            match word.to_string().as_str() {
                "ttl" => argument::set(&mut words.ttl, &word, argument::ttl(input)?)?,
                "stale_while_revalidate" => {
                    argument::set(&mut words.stale, &word, argument::ttl(input)?)?;
                }
                "fail_safe" => {
                    argument::set(&mut words.fail_safe, &word, argument::ttl(input)?)?;
                }
                "soft_timeout" => {
                    argument::set(&mut words.soft_timeout, &word, argument::ttl(input)?)?;
                }
                "negative_ttl" => {
                    argument::set(&mut words.negative_ttl, &word, argument::ttl(input)?)?;
                }
                "namespace" => argument::set(&mut words.namespace, &word, argument::text(input)?)?,
                "capacity" => {
                    argument::set(&mut words.capacity, &word, argument::count(input)?)?;
                }
                "capacity_bytes" => {
                    argument::set(&mut words.capacity_bytes, &word, argument::count(input)?)?;
                    if words.capacity.is_some() {
                        let both = "a capacity is of entries or of bytes: leave one out";
                        return Err(Error::new(word.span(), both));
                    }
                }
                "weigh" => argument::set(&mut words.weigh, &word, argument::expression(input)?)?,
                "tags" => {
                    let tags;
                    parenthesized!(tags in input);
                    let tags = Punctuated::<key::Key, Token![,]>::parse_terminated(&tags)?;
                    let tags = tags.into_iter().map(|tag| tag.0).collect();
                    argument::set(&mut words.tags, &word, tags)?;
                }
                "eviction" => {
                    let name = argument::text(input)?;
                    argument::set(&mut words.eviction, &word, eviction(&name)?)?;
                }
                "key" => {
                    let key = key::parse(input)?;
                    argument::set(&mut words.key, &word, (word.clone(), key))?;
                }
                "skip" => {
                    let names;
                    parenthesized!(names in input);
                    let names = Punctuated::<Ident, Token![,]>::parse_terminated(&names)?;
                    argument::set(&mut words.skip, &word, names.into_iter().collect())?;
                }
                "deck" => argument::set(&mut words.deck, &word, argument::expression(input)?)?,
                "result" => argument::set(&mut words.result, &word, word.clone())?,
                "option" => argument::set(&mut words.option, &word, word.clone())?,
                "redis" => argument::set(&mut words.redis, &word, word.clone())?,
                "schema" => {
                    let schema = argument::count(input)?;
                    argument::set(&mut words.schema, &word, (word.clone(), schema))?;
                }
                "inline" => argument::set(&mut words.inline, &word, word.clone())?,
                _ => {
                    return Err(Error::new(
                        word.span(),
                        format!(
                            "`{word}` means nothing to #[cached]: use ttl, stale_while_revalidate, fail_safe, \
                             soft_timeout, negative_ttl, namespace, capacity, capacity_bytes, weigh, eviction, key, \
                             tags, skip, deck, redis, schema, result, option or inline"
                        ),
                    ));
                }
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(words)
    }
}

/// The words of `#[cached_query]`.
pub(crate) struct QueryWords(pub(crate) Words);

impl Parse for QueryWords {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let own = |error: Error| {
            let message = error.to_string();
            let message = message.replace("#[cached]", "#[cached_query]");
            Error::new(error.span(), message.replace("redis, schema, ", ""))
        };
        input.parse().map(Self).map_err(own)
    }
}

/// Whether the value goes with the tables that its load reads.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Value,
    Query,
}

pub(crate) fn expand(words: &Words, mut function: ItemFn, kind: Kind) -> Result<TokenStream> {
    let mut errors = Vec::new();
    let attribute = match kind {
        Kind::Value => "cached",
        Kind::Query => "cached_query",
    };
    errors.extend(function::check(&function, attribute).err());
    if kind == Kind::Query {
        errors.extend(query(words, &function));
    }
    let kept = kept(words, &function)
        .map_err(|error| errors.push(error))
        .unwrap_or(Kept::All);
    if let (None, Some((word, _))) = (&words.redis, &words.schema) {
        let alone = "a `schema` is of values in Redis: write `redis`, too";
        errors.push(Error::new(word.span(), alone));
    }
    let key = key::written(words.key.as_ref(), words.skip.as_deref(), &function)
        .map_err(|error| errors.push(error))
        .unwrap_or_default();
    if let Some(errors) = errors.into_iter().reduce(|mut all, error| {
        all.combine(error);
        all
    }) {
        return Err(errors);
    }

    let site = site(words, &function);
    let lookup = match &words.deck {
        Some(deck) => {
            let namespace = namespace(words, &function);
            quote!(__PERFDECK_SITE.look_up_in((#deck).cache(#namespace), |__perfdeck_key| { #key }))
        }
        None => quote!(__PERFDECK_SITE.look_up(|__perfdeck_key| { #key })),
    };
    let refusal = refusal(&kept, &function);
    let hit = match kept {
        Kept::Ok => quote!(::core::result::Result::Ok(__perfdeck_value)),
        Kept::All | Kept::Some => quote!(__perfdeck_value),
    };
    let values = values(words, &function, &kept, kind);
    let answer = match kept {
        Kept::Ok => quote!(__perfdeck_answer),
        Kept::All | Kept::Some => quote!(match __perfdeck_answer {
            ::core::result::Result::Ok(value) => value,
            ::core::result::Result::Err(never) => match never {},
        }),
    };
    let tags = words.tags.as_deref().unwrap_or_default();
    let tagged = (!tags.is_empty()).then(|| {
        quote! {
            let mut __perfdeck_lookup = __perfdeck_lookup;
            if let ::core::option::Option::Some(lookup) = &mut __perfdeck_lookup {
                #(lookup.tag(&(#tags));)*
            }
        }
    });
    let load = if function.sig.asyncness.is_some() {
        load(words, &function, &kept)
    } else {
        block(&function, &kept)
    };
    function.block = syn::parse_quote!({
        #site
        // Here, so that a hit moves no key into what the load needs.
        let __perfdeck_lookup = match #lookup {
            ::perfdeck::__private::Found::Value(__perfdeck_value) => return #hit,
            ::perfdeck::__private::Found::Not(lookup) => lookup,
        };
        #tagged
        let __perfdeck_answer = {
            #[allow(unused_imports)]
            use ::perfdeck::__private::{ByClone as _, ByLoad as _, InCaller as _, InTask as _};
            let __perfdeck_refusal = #refusal;
            let __perfdeck_values = #values;
            #load
        };
        #answer
    });
    // Arguments move into the load as they are; what was `mut` is so in there.
    Ok(quote!(#[allow(unused_mut, clippy::needless_pass_by_value)] #function))
}

/// What a function can't be or want whose value is a query's.
fn query(words: &Words, function: &ItemFn) -> Vec<Error> {
    let mut errors = Vec::new();
    if function.sig.asyncness.is_none() {
        let sync = "a query is waited for: make the function async, or use #[cached]";
        errors.push(Error::new_spanned(function.sig.fn_token, sync));
    }
    if let Some(word) = &words.redis {
        let shared = "a query's result stays in its instance: remove `redis`, or use #[cached] and invalidate it by hand";
        errors.push(Error::new(word.span(), shared));
    }
    errors
}

fn kept(words: &Words, function: &ItemFn) -> Result<Kept> {
    match (&words.result, &words.option) {
        (Some(_), Some(option)) => Err(Error::new(
            option.span(),
            "`result` and `option` exclude each other: leave one out",
        )),
        (None, Some(option)) if !function::returns_option(&function.sig) => Err(Error::new(
            option.span(),
            "`option` needs a function that returns an Option: remove it",
        )),
        (None, Some(_)) => Ok(Kept::Some),
        (Some(_), None) => Ok(Kept::Ok),
        (None, None) if function::returns_result(&function.sig) => Ok(Kept::Ok),
        (None, None) => Ok(Kept::All),
    }
}

fn namespace(words: &Words, function: &ItemFn) -> TokenStream {
    match &words.namespace {
        Some(namespace) => quote!(#namespace),
        None => {
            let name = function.sig.ident.to_string();
            quote!(::core::concat!(::core::module_path!(), "::", #name))
        }
    }
}

fn site(words: &Words, function: &ItemFn) -> TokenStream {
    let namespace = namespace(words, function);
    let span = |word: &str, time: Option<Duration>| {
        let word = Ident::new(word, proc_macro2::Span::call_site());
        time.map(|time| {
            let (seconds, nanos) = (time.as_secs(), time.subsec_nanos());
            quote!(.#word(::core::time::Duration::new(#seconds, #nanos)))
        })
    };
    let terms = [
        span("ttl", words.ttl),
        span("stale_while_revalidate", words.stale),
        span("fail_safe", words.fail_safe),
        span("soft_timeout", words.soft_timeout),
        span("negative_ttl", words.negative_ttl),
        words.capacity.map(|entries| quote!(.capacity(#entries))),
        words
            .capacity_bytes
            .map(|bytes| quote!(.capacity_bytes(#bytes))),
        words
            .eviction
            .as_ref()
            .map(|name| quote!(.eviction(::perfdeck::cache::Eviction::#name))),
    ];
    let terms = terms.into_iter().flatten();
    quote! {
        static __PERFDECK_SITE: ::perfdeck::__private::Site =
            ::perfdeck::__private::Site::new(#namespace, ::perfdeck::cache::Policy::new() #(#terms)*);
    }
}

/// What the values are like: when one is absent, what it weighs.
fn values(words: &Words, function: &ItemFn, kept: &Kept, kind: Kind) -> TokenStream {
    let absent = match kept {
        Kept::Some => Some(quote!(.absent(::core::option::Option::is_none).drop_absent())),
        Kept::All if function::returns_option(&function.sig) => {
            Some(quote!(.absent(::core::option::Option::is_none)))
        }
        Kept::Ok if function::returns_result_of_option(&function.sig) => {
            Some(quote!(.absent(::core::option::Option::is_none)))
        }
        Kept::All | Kept::Ok => None,
    };
    let weigh = words
        .weigh
        .as_ref()
        .map(|weigh| quote_spanned!(weigh.span()=> .weigh(#weigh)));
    let redis = words.redis.as_ref().map(|redis| {
        let name = function.sig.ident.to_string();
        quote_spanned!(redis.span()=> .redis(::core::concat!(::core::module_path!(), "::", #name)))
    });
    let schema = words.schema.as_ref().map(|(word, schema)| {
        let schema = syn::LitInt::new(&schema.to_string(), word.span());
        quote_spanned!(word.span()=> .schema(#schema))
    });
    let tables = (kind == Kind::Query).then(|| quote!(.on_tables()));
    quote!(::perfdeck::__private::Values::new() #absent #weigh #tables #redis #schema)
}

/// Names the variant, at the place of the text, where a build without moka has its error.
fn eviction(name: &LitStr) -> Result<Ident> {
    let variant = match name.value().as_str() {
        "default" => "Default",
        "lru" => "Lru",
        "tiny_lfu" => "TinyLfu",
        _ => {
            let known = "an eviction is \"default\", \"lru\" or \"tiny_lfu\"";
            return Err(Error::new(name.span(), known));
        }
    };
    Ok(Ident::new(variant, name.span()))
}

fn refusal(kept: &Kept, function: &ItemFn) -> TokenStream {
    match kept {
        Kept::All | Kept::Some => {
            quote!(::perfdeck::__private::Refusal::<::core::convert::Infallible>::alone())
        }
        Kept::Ok => {
            let output = function::output(&function.sig);
            quote!((&::perfdeck::__private::Errors::<<#output as ::perfdeck::__private::Fallible>::Error>::new()).refusal())
        }
    }
}

/// The load of an async function, answered.
fn load(words: &Words, function: &ItemFn, kept: &Kept) -> TokenStream {
    let (signature, block) = (&function.sig, &function.block);
    let (inner, future, kind) = if words.inline.is_none() && function::stands_alone(function) {
        let inputs = &signature.inputs;
        let output = &signature.output;
        let names = signature.inputs.iter().filter_map(|input| match input {
            syn::FnArg::Typed(argument) => match &*argument.pat {
                syn::Pat::Ident(name) => Some(&name.ident),
                _ => None,
            },
            syn::FnArg::Receiver(_) => None,
        });
        (
            // A function of its own, so that whether its future can change threads is known here.
            quote! {
                // The key may be all that an argument is used for.
                #[allow(unused_variables)]
                async fn __perfdeck_body(#inputs) #output #block
            },
            quote!(__perfdeck_body(#(#names),*)),
            quote!((&__perfdeck_load).kind()),
        )
    } else {
        let body = function::body(signature, block);
        (quote!(), body, quote!(::perfdeck::__private::Caller))
    };
    let future = match kept {
        Kept::All | Kept::Some => quote!(::perfdeck::__private::always(#future)),
        Kept::Ok => future,
    };
    quote! {
        #inner
        let __perfdeck_load = ::perfdeck::__private::Loader(move || #future);
        // Boxed, since a hit needs none of it: the future that each caller moves about is small.
        ::std::boxed::Box::pin(#kind.answer(__perfdeck_lookup, __perfdeck_values, __perfdeck_refusal, __perfdeck_load)).await
    }
}

/// The load of a function that isn't async, answered.
fn block(function: &ItemFn, kept: &Kept) -> TokenStream {
    let body = function::body(&function.sig, &function.block);
    let value = match kept {
        Kept::All | Kept::Some => quote!(::core::result::Result::Ok(#body)),
        Kept::Ok => body,
    };
    quote!(::perfdeck::__private::Caller.block(
        __perfdeck_lookup.as_ref(), __perfdeck_values, __perfdeck_refusal, move || #value,
    ))
}
