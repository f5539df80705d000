//! The fields of a parameter struct, and the rules they keep.

use proc_macro2::{Ident, TokenStream};
use syn::{Data, DeriveInput, Generics, Index, Member, Path};

use crate::errors::Errors;
use crate::options;
use crate::step_handler::param::{self, Param};
use crate::step_handler::{borrows, impl_trait};

/// A parameter struct.
pub(super) struct Parameters {
    pub(super) ident: Ident,
    pub(super) generics: Generics,
    pub(super) krate: Option<Path>,
    pub(super) fields: Vec<(Member, Param)>,
}

impl Parameters {
    /// Whether the compiler refuses a type by itself, so that nothing more is to be said.
    pub(super) fn is_refused(&self) -> bool {
        self.fields.iter().any(|(_, param)| borrows(&param.ty) || impl_trait(&param.ty).is_some())
    }
}

/// Reads a parameter struct; `None` where it is nothing of the kind.
pub(super) fn parameters(input: TokenStream, errors: &mut Errors) -> Option<Parameters> {
    let DeriveInput { attrs, ident, generics, data, .. } = errors.take(syn::parse2(input))?;
    let krate = options::krate("from_step", &attrs, errors);
    let mut read = Parameters { ident, generics, krate, fields: Vec::new() };
    if !read.generics.params.is_empty() {
        let message = "a struct of parameters cannot be generic and borrows nothing: write the types out, and own \
                       what is in them";
        errors.at(&read.generics, message);
    }
    let data = match data {
        Data::Struct(data) => data,
        Data::Enum(data) => {
            let message = "only a struct derives `FromStep`, whose fields are all taken: make it a struct, or \
                           implement `FromStep` by hand";
            errors.at(data.enum_token, message);
            return Some(read);
        }
        Data::Union(data) => {
            errors.at(
                data.union_token,
                "only a struct derives `FromStep`, whose fields are all taken: make it one",
            );
            return Some(read);
        }
    };
    for (index, field) in data.fields.iter().enumerate() {
        let member = field.ident.clone().map_or_else(|| Member::Unnamed(Index::from(index)), Member::Named);
        let param = param::of_field(field, errors);
        read.fields.push((member, param));
    }
    Some(read)
}
