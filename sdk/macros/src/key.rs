//! `key = "..."`: an expression over the arguments, or a text with arguments in it.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::parse::{Parse, ParseStream};
use syn::spanned::Spanned as _;
use syn::{Error, Expr, ItemFn, Lit, LitStr, Result, Token};

use crate::function;

/// An expression that is a `CacheKey`, written as one, as `"EXPR"` or as `"text:{EXPR}"`.
pub(crate) struct Key(pub(crate) TokenStream);

/// Reads `= KEY`.
pub(crate) fn parse(input: ParseStream<'_>) -> Result<TokenStream> {
    input.parse::<Token![=]>()?;
    input.parse::<Key>().map(|key| key.0)
}

/// The statements that write a function's key: of a `key`, or of all arguments but those of `skip`.
pub(crate) fn written(
    key: Option<&(Ident, TokenStream)>,
    skip: Option<&[Ident]>,
    function: &ItemFn,
) -> Result<TokenStream> {
    let arguments = function::arguments(&function.sig)?;
    let skip = skip.unwrap_or_default();
    if let Some(unknown) = skip
        .iter()
        .find(|name| !arguments.iter().any(|(known, _)| known == *name))
    {
        return Err(Error::new(
            unknown.span(),
            format!("there is no argument `{unknown}` to skip: remove it"),
        ));
    }
    let instance = function::instance(function);
    let instance = quote!(#(__perfdeck_key.instance(&#instance);)*);
    if let Some((word, key)) = key {
        if let Some(first) = skip.first() {
            return Err(Error::new(
                first.span(),
                "a `key` names all that counts: remove `skip`",
            ));
        }
        let write = quote_spanned!(word.span()=> ::perfdeck::cache::CacheKey::write(&(#key), __perfdeck_key););
        return Ok(quote!(#write #instance));
    }
    if let Some(receiver) = function.sig.receiver() {
        return Err(Error::new_spanned(
            receiver,
            "a method's receiver can't be part of a cache key: say what the answer depends on with `key = \"...\"`",
        ));
    }
    let counted: Vec<_> = arguments
        .iter()
        .filter(|(name, _)| !skip.contains(name))
        .map(|(name, argument)| {
            let span = argument.ty.span();
            quote_spanned!(span=> ::perfdeck::cache::CacheKey::write(&#name, __perfdeck_key);)
        })
        .collect();
    // As a tuple, so that `key = "(a, b)"` elsewhere meets a function of `a` and `b`; one argument is itself.
    let open = match counted.len() {
        1 => quote!(),
        arity => quote!(__perfdeck_key.tuple(#arity);),
    };
    Ok(quote!(#open #(#counted)* #instance))
}

impl Parse for Key {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        read(&input.parse()?).map(Self)
    }
}

fn read(value: &Expr) -> Result<TokenStream> {
    match value {
        Expr::Lit(literal) => match &literal.lit {
            Lit::Str(text) if text.value().contains('{') => pattern(text),
            Lit::Str(text) if text.value().trim().is_empty() => Err(Error::new(
                text.span(),
                "the key is empty: name what it is made of, or leave it out",
            )),
            Lit::Str(text) => Ok(borrowed(&text.parse()?)),
            _ => Err(Error::new_spanned(
                literal,
                "a key that is the same for all calls: name the arguments it is made of",
            )),
        },
        value => Ok(borrowed(value)),
    }
}

/// `"docs:{workspace}:{status}"` becomes the tuple `("docs:{}:{}", workspace, status)`: the arguments are written
/// with their lengths, so no content of one can look like the end of it.
fn pattern(text: &LitStr) -> Result<TokenStream> {
    let value = text.value();
    let mut shape = String::new();
    let mut parts = Vec::new();
    let mut rest = value.as_str();
    let unbalanced = || {
        Error::new(
            text.span(),
            "a brace without its other half: write `{{` or `}}` for a plain one",
        )
    };
    while let Some(at) = rest.find(['{', '}']) {
        let (before, tail) = rest.split_at(at);
        shape.push_str(before);
        if let Some(plain) = ["{{", "}}"]
            .into_iter()
            .find(|plain| tail.starts_with(plain))
        {
            shape.push_str(plain);
            rest = tail.strip_prefix(plain).unwrap_or_default();
            continue;
        }
        let inner = tail.strip_prefix('{').ok_or_else(unbalanced)?;
        let (inner, tail) = inner.split_once('}').ok_or_else(unbalanced)?;
        let expression: Expr = syn::parse_str::<Expr>(inner).map_err(|_| {
            Error::new(
                text.span(),
                format!("`{{{inner}}}` is no expression over the arguments: a key takes values, not formats"),
            )
        })?;
        let tokens = respanned(expression.into_token_stream(), text);
        parts.push(tokens);
        shape.push_str("{}");
        rest = tail;
    }
    shape.push_str(rest);
    Ok(quote!((#shape, #(&(#parts)),*)))
}

/// The expression; of a tuple its items borrowed, since making it would take them from the body.
fn borrowed(value: &Expr) -> TokenStream {
    match value {
        Expr::Tuple(tuple) => {
            let items = tuple.elems.iter().map(borrowed);
            quote!((#(&(#items),)*))
        }
        Expr::Paren(inner) => borrowed(&inner.expr),
        value => value.to_token_stream(),
    }
}

/// Errors about an expression from a text point at the text.
fn respanned(tokens: TokenStream, text: &LitStr) -> TokenStream {
    tokens
        .into_iter()
        .map(|mut token| {
            if let proc_macro2::TokenTree::Group(group) = &token {
                let stream = respanned(group.stream(), text);
                let mut group = proc_macro2::Group::new(group.delimiter(), stream);
                group.set_span(text.span());
                return group.into();
            }
            token.set_span(text.span());
            token
        })
        .collect()
}
