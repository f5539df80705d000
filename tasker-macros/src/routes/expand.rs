//! From an enum of routes to code.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens as _, format_ident, quote, quote_spanned};
use syn::ext::IdentExt as _;
use syn::spanned::Spanned as _;
use syn::{Fields, Member, Path};

use super::parse::{Choice, Leads, Variant, is_same};
use crate::errors::Errors;
use crate::{graph, runtime};

/// The code of an enum that keeps all rules.
pub(super) fn whole(choice: &Choice) -> TokenStream {
    let ident = &choice.ident;
    let runtime = runtime::path(choice.krate.as_ref());
    let mut routes: Vec<&Path> = Vec::new();
    for variant in &choice.variants {
        let Leads::To(paths) = &variant.leads else { continue };
        for path in paths {
            if !routes.iter().any(|route| is_same(route, path)) {
                routes.push(path);
            }
        }
    }
    let releases = routes.iter().filter_map(|path| graph::last(path)).collect();
    graph::remember(ident.unraw().to_string(), graph::Known { releases, ..graph::Known::default() });
    let variants = || choice.variants.iter().enumerate();
    let decided = variants().map(|(number, variant)| decided(number, variant, &routes));
    let read = variants().map(|(number, variant)| read(number, variant));
    let (carriers, carried) = (carriers(choice), carried(choice, &routes));
    let serving = serving(choice);
    // In parentheses each can only be a type, and a function is refused in plain words.
    quote! {
        const _: () = {
            use #runtime::__private as __tasker;
            #carriers
            #[automatically_derived]
            impl __tasker::Routes for #ident {
                const ROUTES: &'static [&'static __tasker::str] = &[#(<(#routes) as __tasker::StepFn>::NAME),*];
                fn decision(&self) -> __tasker::Decision {
                    match self { #(#decided),* }
                }
                fn of(
                    decision: &__tasker::Decision,
                ) -> __tasker::core::result::Result<Self, __tasker::StepError> {
                    let taken = __tasker::taken(decision)?;
                    match taken.variant() {
                        #(#read,)*
                        _ => __tasker::core::result::Result::Err(taken.unknown()),
                    }
                }
            }
            #serving
            #carried
        };
    }
}

/// The code of one that breaks a rule: a decision can still return it, and steps read it.
pub(super) fn mistaken(choice: &Choice, errors: &Errors) -> TokenStream {
    let errors = errors.to_tokens();
    if !choice.generics.params.is_empty() {
        return errors;
    }
    let ident = &choice.ident;
    let runtime = runtime::path(choice.krate.as_ref());
    let serving = serving(choice);
    quote! {
        const _: () = {
            use #runtime::__private as __tasker;
            impl __tasker::Routes for #ident {
                const ROUTES: &'static [&'static __tasker::str] = &[];
                fn decision(&self) -> __tasker::Decision {
                    __tasker::Decision::skip("")
                }
                fn of(
                    _: &__tasker::Decision,
                ) -> __tasker::core::result::Result<Self, __tasker::StepError> {
                    __tasker::never_taken()
                }
            }
            #serving
        };
        #errors
    }
}

/// How steps read it, and how tests give it. Where a handler returns it without `#[decision]`, that is said, and not
/// that it cannot be written. What else is derived of it is a mistake that is said already.
fn serving(choice: &Choice) -> TokenStream {
    let ident = &choice.ident;
    let read = (!choice.derived.contains(&"Deserialize")).then(|| {
        quote! {
            #[automatically_derived]
            impl<'de> __tasker::serde::Deserialize<'de> for #ident {
                fn deserialize<D: __tasker::serde::Deserializer<'de>>(
                    from: D,
                ) -> __tasker::core::result::Result<Self, D::Error> {
                    __tasker::read_routes(from)
                }
            }
        }
    });
    let written = (!choice.derived.contains(&"Serialize")).then(|| {
        quote! {
            #[automatically_derived]
            impl __tasker::StepOutput for #ident {
                fn write(&self) -> __tasker::core::result::Result<__tasker::Json, __tasker::StepError> {
                    __tasker::never_taken()
                }
            }
            #[automatically_derived]
            impl __tasker::Given for #ident {
                fn given(&self) -> __tasker::core::result::Result<__tasker::Upstream, __tasker::StepError> {
                    __tasker::given(self)
                }
            }
        }
    });
    quote!(#read #written)
}

/// The names of the fields in a pattern.
fn bindings(fields: &Fields) -> Vec<Ident> {
    (0..fields.len()).map(|index| format_ident!("__field_{index}")).collect()
}

/// The pattern of a variant, which is also the expression that makes one.
fn with_fields(variant: &Variant, values: &[TokenStream]) -> TokenStream {
    let ident = &variant.ident;
    let fields = variant.fields.members().zip(values).map(|(member, value)| quote!(#member: #value));
    quote!(Self::#ident { #(#fields),* })
}

/// The constant that writes and reads a field.
fn carrier(variant: usize, field: usize) -> Ident {
    format_ident!("CARRIED_{variant}_{field}")
}

/// A constant for each field, which checks its type.
fn carriers(choice: &Choice) -> TokenStream {
    let variants = choice.variants.iter().enumerate();
    let constants = variants.flat_map(|(number, variant)| {
        variant.fields.iter().enumerate().map(move |(index, field)| {
            let (name, ty) = (carrier(number, index), &field.ty);
            let new = quote_spanned!(ty.span()=> __tasker::Carrier::<#ty>::of());
            quote!(const #name: __tasker::Carrier<#ty> = #new;)
        })
    });
    constants.collect()
}

/// The arm that makes the decision of a variant.
fn decided(number: usize, variant: &Variant, routes: &[&Path]) -> TokenStream {
    let name = variant.ident.unraw().to_string();
    let bound = bindings(&variant.fields);
    let pattern = with_fields(variant, &bound.iter().map(|name| quote!(#name)).collect::<Vec<_>>());
    let mut written = bound.iter().enumerate().map(|(index, bound)| {
        let carrier = carrier(number, index);
        quote!(#carrier.write(#bound))
    });
    let data = match &variant.fields {
        Fields::Unit => quote!(__tasker::nothing()),
        Fields::Unnamed(fields) if fields.unnamed.len() == 1 => written.next().unwrap_or_default(),
        Fields::Unnamed(_) => quote!(__tasker::array([#(#written),*])),
        Fields::Named(_) => {
            let names = variant.fields.members().map(|member| name_of(&member));
            quote!(__tasker::object([#((#names, #written)),*]))
        }
    };
    let none = quote!(__tasker::core::option::Option::None);
    let (numbers, reason) = match &variant.leads {
        Leads::To(paths) => {
            let numbers =
                paths.iter().filter_map(|path| routes.iter().position(|route| is_same(route, path)));
            (numbers.collect(), none)
        }
        Leads::Nowhere(Some(reason)) => (Vec::new(), quote!(__tasker::core::option::Option::Some(#reason))),
        Leads::Nowhere(None) | Leads::Mistaken => (Vec::new(), none),
    };
    quote!(#pattern => __tasker::decided::<Self>(&[#(#numbers),*], #reason, #name, #data))
}

/// The arm that reads a variant.
fn read(number: usize, variant: &Variant) -> TokenStream {
    let name = variant.ident.unraw().to_string();
    let only = matches!(&variant.fields, Fields::Unnamed(fields) if fields.unnamed.len() == 1);
    let members = variant.fields.members().enumerate();
    let values = members.map(|(index, member)| {
        let carrier = carrier(number, index);
        match &member {
            Member::Unnamed(_) if only => quote!(#carrier.read(&taken)?),
            Member::Unnamed(_) => quote!(#carrier.read_item(&taken, #index)?),
            Member::Named(_) => {
                let field = name_of(&member);
                quote!(#carrier.read_field(&taken, #field)?)
            }
        }
    });
    let made = with_fields(variant, &values.collect::<Vec<_>>());
    quote!(#name => __tasker::Ok(#made))
}

fn name_of(member: &Member) -> String {
    match member {
        Member::Named(name) => name.unraw().to_string(),
        Member::Unnamed(index) => index.index.to_string(),
    }
}

/// What a step can take in place of the enum.
fn carried(choice: &Choice, all: &[&Path]) -> TokenStream {
    let enumeration = &choice.ident;
    // The type that is taken, and the variants that carry it.
    let mut types: Vec<(TokenStream, Vec<&Variant>)> = Vec::new();
    for variant in &choice.variants {
        let tys: Vec<_> = variant.fields.iter().map(|field| &field.ty).collect();
        let ty = match (&variant.fields, tys.as_slice()) {
            (_, []) => continue,
            (_, [only]) => only.to_token_stream(),
            (Fields::Unnamed(_), several) => quote!((#(#several,)*)),
            (_, _) => continue,
        };
        match types.iter_mut().find(|(known, _)| known.to_string() == ty.to_string()) {
            Some((_, variants)) => variants.push(variant),
            None => types.push((ty, vec![variant])),
        }
    }
    let is_carried = |ty: &TokenStream| types.iter().any(|(known, _)| known.to_string() == ty.to_string());
    let implementations = types.iter().map(|(ty, variants)| {
        let arms: Vec<TokenStream> = variants
            .iter()
            .map(|variant| {
                let bound = bindings(&variant.fields);
                let fields: Vec<_> = variant.fields.members().zip(&bound).collect();
                let pattern = fields.iter().map(|(member, bound)| quote!(#member: #bound));
                let name = &variant.ident;
                let value = if bound.len() == 1 { quote!(#(#bound)*) } else { quote!((#(#bound,)*)) };
                quote!(#enumeration::#name { #(#pattern),* } => __tasker::core::option::Option::Some(#value),)
            })
            .collect();
        let others = (variants.len() < choice.variants.len())
            .then(|| quote!(_ => __tasker::core::option::Option::None,));
        let taken = quote!(match decided { #(#arms)* #others });
        let optional = quote!(__tasker::core::option::Option<#ty>);
        // Paths that lead to the branches that may read it.
        let mut routes: Vec<&Path> = Vec::new();
        for variant in variants {
            if let Leads::To(paths) = &variant.leads {
                routes.extend(paths);
            }
        }
        let numbers = routes.iter().filter_map(|path| all.iter().position(|route| is_same(route, path)));
        let carried = quote!(&[#(<#enumeration as __tasker::Routes>::ROUTES[#numbers]),*]);
        let of_option = (!is_carried(&quote!(Option<#ty>))).then(|| {
            quote! {
                #[automatically_derived]
                impl __tasker::OutputOf<#enumeration> for #optional {
                    const OPTIONAL: __tasker::bool = true;
                    fn some(decided: #enumeration) -> __tasker::core::option::Option<Self> {
                        __tasker::core::option::Option::Some(#taken)
                    }
                    fn none() -> __tasker::core::option::Option<Self> {
                        __tasker::core::option::Option::Some(__tasker::core::option::Option::None)
                    }
                }
            }
        });
        quote! {
            #[automatically_derived]
            impl __tasker::OutputOf<#enumeration> for #ty {
                const OPTIONAL: __tasker::bool = false;
                const CARRIED: &'static [&'static __tasker::str] = #carried;
                fn some(decided: #enumeration) -> __tasker::core::option::Option<Self> {
                    #taken
                }
                fn none() -> __tasker::core::option::Option<Self> {
                    __tasker::core::option::Option::None
                }
            }
            #of_option
        }
    });
    implementations.collect()
}
