//! What the types of a handler say about their JSON, where they are asked for it.

use proc_macro2::TokenStream;
use quote::quote;

use super::parse::Handler;
use super::shape::Shape;

/// The constant that asks the type of the context and, of `output`, that of the result; decisions and plans have a
/// form of their own.
pub(super) fn schemas(handler: &Handler, output: &TokenStream) -> Option<TokenStream> {
    if !cfg!(feature = "schema") {
        return None;
    }
    let output = match handler.shape {
        Shape::Plain | Shape::Worker | Shape::Looped => quote!(__tasker::Described::<#output>::WRITTEN),
        Shape::Decision(_) | Shape::Choice | Shape::Analyzer(_) => {
            quote!(__tasker::core::option::Option::None)
        }
    };
    Some(quote! {
        const SCHEMAS: __tasker::Schemas = {
            #[allow(unused_imports)]
            use __tasker::NotDescribed as _;
            __tasker::Schemas::of(__tasker::Described::<Self::Context>::READ, #output)
        };
    })
}
