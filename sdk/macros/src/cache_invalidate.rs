use proc_macro2::{Ident, TokenStream};
use quote::quote;
use syn::parse::{Parse, ParseStream};
use syn::{Error, Expr, ItemFn, LitStr, Result, Token};

use crate::{argument, function, key};

pub(crate) struct Words {
    namespace: LitStr,
    key: Option<TokenStream>,
    tag: Option<TokenStream>,
    deck: Option<Expr>,
    result: Option<Ident>,
}

impl Parse for Words {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let namespace = input.parse().map_err(|error| {
            Error::new(
                error.span(),
                "the namespace comes first: #[cache_invalidate(\"analytics\")]",
            )
        })?;
        let mut words = Self {
            namespace,
            key: None,
            tag: None,
            deck: None,
            result: None,
        };
        while !input.is_empty() {
            input.parse::<Token![,]>()?;
            if input.is_empty() {
                break;
            }
            let word: Ident = input.parse()?;
            match word.to_string().as_str() {
                "key" => argument::set(&mut words.key, &word, key::parse(input)?)?,
                "tag" => argument::set(&mut words.tag, &word, key::parse(input)?)?,
                "deck" => argument::set(&mut words.deck, &word, argument::expression(input)?)?,
                "result" => argument::set(&mut words.result, &word, word.clone())?,
                _ => {
                    return Err(Error::new(
                        word.span(),
                        format!(
                            "`{word}` means nothing to #[cache_invalidate]: use key, tag, deck or result"
                        ),
                    ));
                }
            }
        }
        Ok(words)
    }
}

pub(crate) fn expand(words: &Words, mut function: ItemFn) -> Result<TokenStream> {
    function::check(&function, "cache_invalidate")?;
    let namespace = &words.namespace;
    if let (Some(_), Some(tag)) = (&words.key, &words.tag) {
        return Err(Error::new_spanned(
            tag,
            "a key or a tag: write an attribute for each",
        ));
    }
    // To the namespace a tag is a key that many entries hang on.
    let key = match words.key.as_ref().or(words.tag.as_ref()) {
        Some(key) => quote!(::core::option::Option::Some(::perfdeck::__private::written(&(#key)))),
        None => quote!(::core::option::Option::None),
    };
    let (before, invalidate) = match &words.deck {
        Some(deck) => (
            quote!(let __perfdeck_namespace = (#deck).cache(#namespace);),
            quote!(::perfdeck::__private::invalidate_in(
                &__perfdeck_namespace,
                __perfdeck_key,
                &__perfdeck_touched
            )),
        ),
        None => (
            quote!(),
            quote!(::perfdeck::__private::invalidate(#namespace, __perfdeck_key, &__perfdeck_touched)),
        ),
    };
    // So that other instances know of it, too, when an async function returns.
    let wait = function.sig.asyncness.map(|_| quote!(.await));
    let invalidate = quote!(let _ = #invalidate #wait;);
    let invalidate = if words.result.is_some() || function::returns_result(&function.sig) {
        quote!(if ::core::result::Result::is_ok(&__perfdeck_answer) { #invalidate })
    } else {
        invalidate
    };
    let body = function::body(&function.sig, &function.block);
    let body = match &function.sig.asyncness {
        Some(_) => quote!(::perfdeck::__private::watched(#body).await),
        // Nothing that is waited for runs in it, so no statement of a pool.
        None => quote!((#body, ::perfdeck::__private::Touched::default())),
    };
    function.block = syn::parse_quote!({
        // The body may consume what the key is made of.
        let __perfdeck_key = #key;
        #before
        #[allow(clippy::redundant_closure_call, clippy::let_unit_value)]
        let (__perfdeck_answer, __perfdeck_touched) = #body;
        #invalidate
        __perfdeck_answer
    });
    Ok(quote!(#function))
}
