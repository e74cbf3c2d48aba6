//! The attribute macros of perfdeck; use them through the crate `perfdeck`.

use proc_macro::TokenStream;

/// Soon.
#[proc_macro_attribute]
pub fn cached(_: TokenStream, item: TokenStream) -> TokenStream {
    item
}
/// Soon.
#[proc_macro_attribute]
pub fn cache_invalidate(_: TokenStream, item: TokenStream) -> TokenStream {
    item
}
/// Soon.
#[proc_macro_attribute]
pub fn monitor(_: TokenStream, item: TokenStream) -> TokenStream {
    item
}
