//! The type behind the name of a workflow.
//!
//! A unit struct, which is a type and a value under one name: `checkout.run(&tasker, &order)`.

use proc_macro2::{Ident, Span, TokenStream};
use quote::quote;
use syn::{Attribute, Visibility};

/// The type: the name itself, or what is there in its place.
pub(crate) fn marker(ident: &Ident, marker: Option<&Ident>) -> Ident {
    let mut marker = marker.unwrap_or(ident).clone();
    marker.set_span(marker.span().resolved_at(Span::call_site()));
    marker
}

/// The conditions among attributes, which hold for all that belongs to the name.
pub(crate) fn cfgs(attrs: &[Attribute]) -> Vec<&Attribute> {
    attrs.iter().filter(|attribute| attribute.path().is_ident("cfg")).collect()
}

/// The struct, and a constant of the name where that is not its own; `steps` follow what the user says about it.
pub(crate) fn declare(
    attrs: &[Attribute],
    vis: &Visibility,
    (ident, marker): (&Ident, Option<&Ident>),
    doc: &str,
    steps: Option<&str>,
) -> TokenStream {
    let name = self::marker(ident, None);
    let ty = self::marker(ident, marker);
    let documented = attrs.iter().any(|attribute| attribute.path().is_ident("doc"));
    let doc = (!documented).then(|| quote!(#[doc = #doc]));
    let steps = steps.map(|steps| quote!(#[doc = #steps]));
    if marker.is_some() {
        let cfgs = cfgs(attrs);
        return quote! {
            #(#cfgs)*
            #[doc(hidden)]
            #[allow(dead_code, clippy::exhaustive_structs)]
            #vis struct #ty;
            #doc
            #(#attrs)*
            #steps
            #[allow(non_upper_case_globals, dead_code)]
            #vis const #name: #ty = #ty;
        };
    }
    quote! {
        #doc
        #(#attrs)*
        #steps
        #[allow(non_camel_case_types, dead_code, clippy::exhaustive_structs)]
        #vis struct #ty;
    }
}

/// What a value of the type can do.
pub(crate) fn implement(marker: &Ident) -> TokenStream {
    quote! {
        #[allow(clippy::expl_impl_clone_on_copy)]
        impl __tasker::core::clone::Clone for #marker {
            fn clone(&self) -> Self {
                *self
            }
        }
        impl __tasker::core::marker::Copy for #marker {}
        impl __tasker::core::fmt::Debug for #marker {
            fn fmt(&self, f: &mut __tasker::core::fmt::Formatter<'_>) -> __tasker::core::fmt::Result {
                __tasker::core::fmt::Debug::fmt(&**self, f)
            }
        }
        impl __tasker::core::ops::Deref for #marker {
            type Target = __tasker::Typed<Self>;
            fn deref(&self) -> &__tasker::Typed<Self> {
                __tasker::Typed::OF
            }
        }
    }
}

/// A workflow of which no types are known.
pub(crate) fn untyped(marker: &Ident) -> TokenStream {
    quote! {
        impl __tasker::WorkflowType for #marker {
            const WORKFLOW: __tasker::Workflow = __WORKFLOW;
        }
        impl __tasker::Runs<__tasker::AnyContext, __tasker::AnyOutput> for #marker {
            fn full_name() -> __tasker::Option<__tasker::String> {
                __tasker::Option::Some(__WORKFLOW.full_name())
            }
        }
    }
}

/// The handler of each step by number, and what stands for none after them. All else that is asked of a handler
/// is asked by its number, so that one which is none is refused once, and elsewhere.
pub(crate) fn nth(steps: impl Iterator<Item = TokenStream>) -> TokenStream {
    let steps = steps.map(|step| {
        quote!(<() as __tasker::StepOrNone<{
            use __tasker::Fallback as _;
            __tasker::IsStep::<#step>::YES
        }, #step>>::Step)
    });
    let steps = steps.chain([quote!(__tasker::NoStep)]).enumerate().map(|(number, step)| {
        quote! {
            impl __tasker::Nth<#number> for __Steps {
                type Step = #step;
            }
        }
    });
    quote!(struct __Steps; #(#steps)*)
}
