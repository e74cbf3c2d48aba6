use proc_macro2::{Ident, TokenStream};
use quote::quote;
use syn::parse::{Parse, ParseStream};
use syn::{Error, ItemFn, LitStr, Result, Token};

use crate::{argument, function};

#[derive(Default)]
pub(crate) struct Words {
    name: Option<LitStr>,
    result: Option<Ident>,
}

impl Parse for Words {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let mut words = Self::default();
        while !input.is_empty() {
            let word: Ident = input.parse()?;
            match word.to_string().as_str() {
                "name" => argument::set(&mut words.name, &word, argument::text(input)?)?,
                "result" => argument::set(&mut words.result, &word, word.clone())?,
                _ => {
                    return Err(Error::new(
                        word.span(),
                        format!("`{word}` means nothing to #[monitor]: use name or result"),
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
    let failed = (words.result.is_some() || function::returns_result(&function.sig)).then(|| {
        quote! {
            if ::core::result::Result::is_err(&__perfdeck_answer) {
                __perfdeck_monitor.failed();
            }
        }
    });
    function.block = syn::parse_quote!({
        static __PERFDECK_FUNCTION: ::perfdeck::__private::Function =
            ::perfdeck::__private::Function::new(#name);
        #[allow(unused_mut)]
        let mut __perfdeck_monitor = __PERFDECK_FUNCTION.call();
        #[allow(clippy::redundant_closure_call, clippy::let_unit_value)]
        let __perfdeck_answer = #body #wait;
        #failed
        ::core::mem::drop(__perfdeck_monitor);
        __perfdeck_answer
    });
    Ok(quote!(#function))
}
