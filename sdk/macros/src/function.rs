//! What an attribute has to know of the function it stands on.

use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::visit::{self, Visit};
use syn::{
    Block, Error, FnArg, GenericArgument, GenericParam, ItemFn, Lifetime, Pat, PatType,
    PathArguments, PathSegment, Result, ReturnType, Signature, Type, TypeImplTrait, TypeReference,
};

/// Refuses what no attribute can wrap.
pub(crate) fn check(function: &ItemFn, attribute: &str) -> Result<()> {
    let signature = &function.sig;
    let refuse = |tokens: &dyn ToTokens, what: &str, remedy: &str| {
        Err(Error::new_spanned(
            tokens.to_token_stream(),
            format!("{what} can't have #[{attribute}]: {remedy}"),
        ))
    };
    if let Some(token) = &signature.constness {
        return refuse(token, "a const function", "remove `const`");
    }
    if matches!(signature.safety, syn::Safety::Unsafe(_)) {
        return refuse(
            &signature.safety,
            "an unsafe function",
            "put the attribute on a safe function around it",
        );
    }
    if let Some(token) = &signature.abi {
        return refuse(
            token,
            "a function for other languages",
            "put the attribute on a Rust function that it calls",
        );
    }
    Ok(())
}

/// The return type as it can be written inside the body; `impl Trait` is left to inference.
pub(crate) fn output(signature: &Signature) -> TokenStream {
    match &signature.output {
        ReturnType::Default => quote!(()),
        ReturnType::Type(_, ty) if mentions_opaque(ty) => quote!(_),
        ReturnType::Type(_, ty) => ty.to_token_stream(),
    }
}

/// Whether the return type is called `Result`.
pub(crate) fn returns_result(signature: &Signature) -> bool {
    returns(signature, "Result")
}

/// Whether the return type is called `Option`.
pub(crate) fn returns_option(signature: &Signature) -> bool {
    returns(signature, "Option")
}

/// Whether the return type is called `Result`, and what it holds `Option`.
pub(crate) fn returns_result_of_option(signature: &Signature) -> bool {
    let Some(result) = last_segment(signature).filter(|last| last.ident == "Result") else {
        return false;
    };
    let PathArguments::AngleBracketed(arguments) = &result.arguments else {
        return false;
    };
    matches!(
        arguments.args.first(),
        Some(GenericArgument::Type(Type::Path(path)))
            if path.path.segments.last().is_some_and(|last| last.ident == "Option")
    )
}

/// The body as an expression whose `return` and `?` end the body alone: a future in an async function, else a value.
pub(crate) fn body(signature: &Signature, block: &Block) -> TokenStream {
    let output = output(signature);
    if signature.asyncness.is_some() {
        quote! {
            async move {
                // The type that `?` converts to can't be inferred from inside.
                if false {
                    #[allow(unreachable_code, clippy::diverging_sub_expression, clippy::let_unit_value)]
                    {
                        let __perfdeck_output: #output = ::core::unreachable!();
                        return __perfdeck_output;
                    }
                }
                #block
            }
        }
    } else if output.to_string() == "_" {
        quote!((move || #block)())
    } else {
        quote!((move || -> #output #block)())
    }
}

/// The function's arguments by name, without the receiver.
///
/// Arguments that are taken apart in the signature have no name to make a key of.
pub(crate) fn arguments(signature: &Signature) -> Result<Vec<(Ident, &PatType)>> {
    let mut names = Vec::new();
    let mut errors: Option<Error> = None;
    for input in &signature.inputs {
        let FnArg::Typed(argument) = input else {
            continue;
        };
        match &*argument.pat {
            Pat::Ident(name) if name.subpat.is_none() => names.push((name.ident.clone(), argument)),
            pattern => {
                let error = Error::new_spanned(
                    pattern,
                    "#[cached] needs a name for each argument: name it here and take it apart in the body",
                );
                match &mut errors {
                    Some(errors) => errors.combine(error),
                    None => errors = Some(error),
                }
            }
        }
    }
    errors.map_or(Ok(names), Err)
}

/// Whether the function owns all it works on and stands for itself, so its body can be a function of its own and move
/// to a task.
pub(crate) fn stands_alone(function: &ItemFn) -> bool {
    let signature = &function.sig;
    signature.receiver().is_none()
        && signature.generics.params.is_empty()
        && !signature.inputs.iter().any(mentions_borrow)
        && !names(signature.to_token_stream(), "Self")
        && !names(function.block.to_token_stream(), "Self")
        // A function that calls itself would need to know whether it can change threads before it is known.
        && !names(function.block.to_token_stream(), &signature.ident.to_string())
}

/// What tells the instances of one generic function apart, as expressions that are `CacheKey`.
///
/// Statics in a generic function are one for all its instances, so its entries would be too.
pub(crate) fn instance(function: &ItemFn) -> Vec<TokenStream> {
    let signature = &function.sig;
    let mut parts = Vec::new();
    for parameter in &signature.generics.params {
        match parameter {
            GenericParam::Type(parameter) => {
                let name = &parameter.ident;
                parts.push(quote!(::core::any::type_name::<#name>()));
            }
            GenericParam::Const(parameter) => parts.push(parameter.ident.to_token_stream()),
            GenericParam::Lifetime(_) => {}
        }
    }
    for input in &signature.inputs {
        if let FnArg::Typed(argument) = input
            && mentions_opaque(&argument.ty)
            && let Pat::Ident(name) = &*argument.pat
        {
            let name = &name.ident;
            parts.push(quote!(::core::any::type_name_of_val(&#name)));
        }
    }
    // A method's type may be generic too, which can't be seen from here.
    if signature.receiver().is_some()
        || names(signature.to_token_stream(), "Self")
        || names(function.block.to_token_stream(), "Self")
    {
        parts.push(quote!(::core::any::type_name::<Self>()));
    }
    parts
}

fn returns(signature: &Signature, name: &str) -> bool {
    last_segment(signature).is_some_and(|last| last.ident == name)
}

/// The return type's name, with what stands in its angle brackets.
fn last_segment(signature: &Signature) -> Option<&PathSegment> {
    match &signature.output {
        ReturnType::Type(_, ty) => match &**ty {
            Type::Path(path) => path.path.segments.last(),
            _ => None,
        },
        ReturnType::Default => None,
    }
}

/// Whether a name is used anywhere in the tokens, macros' included.
fn names(tokens: TokenStream, name: &str) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(ident) => ident == name,
        TokenTree::Group(group) => names(group.stream(), name),
        TokenTree::Punct(_) | TokenTree::Literal(_) => false,
    })
}

fn mentions_opaque(ty: &Type) -> bool {
    let mut seen = Opaque(false);
    seen.visit_type(ty);
    seen.0
}

fn mentions_borrow(input: &FnArg) -> bool {
    let mut seen = Borrow(false);
    seen.visit_fn_arg(input);
    seen.0
}

/// Looks for `impl Trait`.
struct Opaque(bool);

impl Visit<'_> for Opaque {
    fn visit_type_impl_trait(&mut self, _: &TypeImplTrait) {
        self.0 = true;
    }
}

/// Looks for references, lifetimes and `impl Trait`.
struct Borrow(bool);

impl Visit<'_> for Borrow {
    fn visit_type_impl_trait(&mut self, _: &TypeImplTrait) {
        self.0 = true;
    }

    fn visit_type_reference(&mut self, reference: &TypeReference) {
        let is_static = reference
            .lifetime
            .as_ref()
            .is_some_and(|lifetime| lifetime.ident == "static");
        self.0 |= !is_static;
        visit::visit_type(self, &reference.elem);
    }

    fn visit_lifetime(&mut self, lifetime: &Lifetime) {
        self.0 |= lifetime.ident != "static";
    }
}
