//! Every broken rule of one expansion, reported together.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote};
use syn::Type;

/// The mistakes found so far.
#[derive(Default)]
pub(crate) struct Errors(Option<syn::Error>);

impl Errors {
    /// Adds a mistake that underlines `tokens`.
    pub(crate) fn at(&mut self, tokens: impl ToTokens, message: impl std::fmt::Display) {
        self.push(syn::Error::new_spanned(tokens, message));
    }

    /// Adds a mistake at a place.
    pub(crate) fn at_span(&mut self, span: Span, message: impl std::fmt::Display) {
        self.push(syn::Error::new(span, message));
    }

    /// Adds what a parser found.
    pub(crate) fn push(&mut self, error: syn::Error) {
        match &mut self.0 {
            Some(all) => all.combine(error),
            None => self.0 = Some(error),
        }
    }

    /// Adds what was found elsewhere.
    pub(crate) fn extend(&mut self, other: Self) {
        if let Some(error) = other.0 {
            self.push(error);
        }
    }

    /// The value of a parse; `None` after adding its mistake.
    pub(crate) fn take<T>(&mut self, result: syn::Result<T>) -> Option<T> {
        result.map_err(|error| self.push(error)).ok()
    }

    /// Whether nothing was found.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// As [`to_tokens`](Self::to_tokens), beside a type. Where that cannot be written, `unnamed`, it is one of which
    /// the compiler knows that it is none: it says nothing more of whatever is made of it.
    pub(crate) fn with_a_type(&self, ty: Type, unnamed: bool) -> (Type, TokenStream) {
        if !unnamed {
            return (ty, self.to_tokens());
        }
        let mut errors = self.0.clone().into_iter().flatten().map(|error| error.to_compile_error());
        // A macro in the place of a type counts as `()`, while one in that of a length spoils all of the array.
        let none = errors.next().map_or_else(|| quote!(()), |first| quote!([(); #first]));
        (Type::Verbatim(none), errors.collect())
    }

    /// The code that makes the compiler report them.
    pub(crate) fn to_tokens(&self) -> TokenStream {
        self.0.as_ref().map(syn::Error::to_compile_error).unwrap_or_default()
    }
}
