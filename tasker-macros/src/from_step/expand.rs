//! From a parameter struct to code.

use proc_macro2::TokenStream;
use quote::quote;

use super::parse::Parameters;
use crate::errors::Errors;
use crate::step_handler::params;
use crate::{graph, runtime};

/// The code of a parameter struct that keeps all rules.
pub(super) fn whole(parameters: &Parameters) -> TokenStream {
    let Parameters { ident, krate, fields, .. } = parameters;
    let name = syn::ext::IdentExt::unraw(ident).to_string();
    graph::remember(name, graph::Known::of(fields.iter().map(|(_, param)| param)));
    let runtime = runtime::path(krate.as_ref());
    let constants = params::fields(fields.iter().map(|(_, param)| param));
    let names = (0..fields.len()).map(params::param_name);
    let needs = names.clone().map(|name| quote!(#name.need));
    let values = fields.iter().zip(names).map(|((member, _), name)| quote!(#member: #name.read(step)?));
    let step = if fields.is_empty() { quote!(_) } else { quote!(step) };
    quote! {
        const _: () = {
            use #runtime::__private as __tasker;
            #constants
            #[automatically_derived]
            impl __tasker::FromStep for #ident {
                const NEEDS: &'static [__tasker::Need] = &[#(#needs),*];
                fn from_step(
                    #step: &__tasker::TaskSequenceStep,
                ) -> __tasker::core::result::Result<Self, __tasker::StepError> {
                    __tasker::Ok(Self { #(#values),* })
                }
            }
        };
    }
}

/// The code of one that breaks a rule: handlers can still take it.
pub(super) fn mistaken(parameters: &Parameters, errors: &Errors) -> TokenStream {
    let Parameters { ident, krate, generics, .. } = parameters;
    let runtime = runtime::path(krate.as_ref());
    let errors = errors.to_tokens();
    let (with_bounds, arguments, clause) = generics.split_for_impl();
    quote! {
        const _: () = {
            use #runtime::__private as __tasker;
            impl #with_bounds __tasker::FromStep for #ident #arguments #clause {
                fn from_step(
                    _: &__tasker::TaskSequenceStep,
                ) -> __tasker::core::result::Result<Self, __tasker::StepError> {
                    __tasker::never_taken()
                }
            }
        };
        #errors
    }
}
