use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens as _, quote};
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Error, Expr, ItemFn, LitStr, Result, Token, parenthesized};

use crate::{argument, function, key};

#[derive(Default)]
pub(crate) struct Words {
    name: Option<LitStr>,
    result: Option<Ident>,
    cacheable: Option<Ident>,
    /// With how it was written.
    key: Option<(Ident, TokenStream, String)>,
    skip: Option<Vec<Ident>>,
}

impl Parse for Words {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let mut words = Self::default();
        while !input.is_empty() {
            let word: Ident = input.parse()?;
            match word.to_string().as_str() {
                "name" => argument::set(&mut words.name, &word, argument::text(input)?)?,
                "result" => argument::set(&mut words.result, &word, word.clone())?,
                "cacheable" => argument::set(&mut words.cacheable, &word, word.clone())?,
                "key" => {
                    let written = argument::expression(input)?;
                    let key = syn::parse2::<key::Key>(written.to_token_stream())?.0;
                    let written = text(&written);
                    argument::set(&mut words.key, &word, (word.clone(), key, written))?;
                }
                "skip" => {
                    let names;
                    parenthesized!(names in input);
                    let names = Punctuated::<Ident, Token![,]>::parse_terminated(&names)?;
                    argument::set(&mut words.skip, &word, names.into_iter().collect())?;
                }
                _ => {
                    return Err(Error::new(
                        word.span(),
                        format!(
                            "`{word}` means nothing to #[monitor]: use name, result, cacheable, key or skip"
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

/// What is added to a function that could be cached.
#[derive(Default)]
struct Repeating {
    function: TokenStream,
    asked: TokenStream,
    answered: TokenStream,
}

pub(crate) fn expand(words: &Words, mut function: ItemFn) -> Result<TokenStream> {
    function::check(&function, "monitor")?;
    let name = match &words.name {
        Some(name) => quote!(#name),
        None => {
            // A method's type can't be seen from here; its module tells it apart well enough.
            let name = function.sig.ident.to_string();
            quote!(::core::concat!(::core::module_path!(), "::", #name))
        }
    };
    let body = function::body(&function.sig, &function.block);
    let wait = function.sig.asyncness.map(|_| quote!(.await));
    let fallible = words.result.is_some() || function::returns_result(&function.sig);
    let failed = fallible.then(|| {
        quote! {
            if ::core::result::Result::is_err(&__perfdeck_answer) {
                __perfdeck_monitor.failed();
            }
        }
    });
    let Repeating {
        function: cacheable,
        asked,
        answered,
    } = repeating(words, &function, fallible)?;
    function.block = syn::parse_quote!({
        static __PERFDECK_FUNCTION: ::perfdeck::__private::Function =
            ::perfdeck::__private::Function::new(#name) #cacheable;
        #[allow(unused_mut)]
        let mut __perfdeck_monitor = __PERFDECK_FUNCTION.call();
        #asked
        #[allow(clippy::redundant_closure_call, clippy::let_unit_value)]
        let __perfdeck_answer = #body #wait;
        #failed
        #answered
        ::core::mem::drop(__perfdeck_monitor);
        __perfdeck_answer
    });
    Ok(quote!(#function))
}

/// What equal calls return is looked at where the function says that it could be cached.
fn repeating(words: &Words, function: &ItemFn, fallible: bool) -> Result<Repeating> {
    if words.cacheable.is_none() && words.key.is_none() && words.skip.is_none() {
        return Ok(Repeating::default());
    }
    let named = words.key.clone();
    let named = named.map(|(word, key, _)| (word, key));
    let write =
        key::written(named.as_ref(), words.skip.as_deref(), function).map_err(of_monitor)?;
    let told = told(words);
    let look = quote! {
        let __perfdeck_seen = (&&::perfdeck::__private::Answer(value)).digest();
        __perfdeck_monitor.answered(__perfdeck_repeating, __perfdeck_seen);
    };
    // An error is never cached.
    let look = if fallible {
        quote! {
            if let ::core::result::Result::Ok(value) = &__perfdeck_answer {
                #look
            }
        }
    } else {
        quote! {
            let value = &__perfdeck_answer;
            #look
        }
    };
    Ok(Repeating {
        function: quote!(.cacheable(#told)),
        asked: quote! {
            // Before the body takes what the key is made of.
            let __perfdeck_repeating = __perfdeck_monitor.asked(|__perfdeck_key| { #write });
        },
        answered: quote! {
            if __perfdeck_repeating.is_watched() {
                #[allow(unused_imports)]
                use ::perfdeck::__private::{ByHash as _, ByText as _, Unseen as _};
                #look
            }
        },
    })
}

/// What `#[cached]` would say of the key, after its time to live.
fn told(words: &Words) -> String {
    if let Some((_, _, written)) = &words.key {
        return format!(", key = {written}");
    }
    let skip = words.skip.iter().flatten().map(Ident::to_string);
    let skip = skip.collect::<Vec<_>>().join(", ");
    if skip.is_empty() {
        skip
    } else {
        format!(", skip({skip})")
    }
}

/// An expression as people write it.
fn text(expression: &Expr) -> String {
    let tokens = expression.to_token_stream().to_string();
    tokens.replace(" . ", ".").replace(" , ", ", ")
}

/// What `key` says it says of `#[cached]`.
fn of_monitor(errors: Error) -> Error {
    let told = errors.into_iter().map(|error| {
        let message = error
            .to_string()
            .replace("#[cached]", "#[monitor(cacheable)]");
        Error::new(error.span(), message)
    });
    told.reduce(|mut all, error| {
        all.combine(error);
        all
    })
    .unwrap_or_else(|| Error::new(proc_macro2::Span::call_site(), "no key"))
}
