//! From a workflow to code.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::Path;
use syn::ext::IdentExt as _;
use syn::spanned::Spanned as _;

use super::parse::Workflow;
use crate::errors::Errors;
use crate::named;

/// The type of that name, its checks and its place in the registry.
pub(super) fn whole(workflow: &Workflow) -> TokenStream {
    let steps = &workflow.steps;
    let krate = krate(workflow);
    let name = workflow.ident.unraw().to_string();
    let marker = named::marker(&workflow.ident, workflow.marker.as_ref());
    let count = steps.len();
    let slots = (2 * count).next_power_of_two();
    let nth = named::nth(steps.iter().map(|step| quote!((#step))));
    // In parentheses each can only be a type, and a function is refused in plain words.
    let listed = steps.iter().map(|step| {
        let ty = quote!((#step));
        quote_spanned!(step.span()=> __tasker::workflow_step::<#ty>())
    });
    let check = quote_spanned! {workflow.ident.span()=>
        __tasker::check_workflow::<#count, #slots>(#name, &STEPS)
    };
    let line = quote_spanned!(workflow.ident.span()=> __tasker::core::line!());
    let settings = settings(workflow);
    let types = types(workflow, &marker, slots);
    let cfgs = named::cfgs(&workflow.attrs);
    let declared = named::declare(
        &workflow.attrs,
        &workflow.vis,
        (&workflow.ident, workflow.marker.as_ref()),
        &format!("The workflow `{name}`."),
    );
    let implemented = named::implement(&marker);
    quote! {
        #declared
        #(#cfgs)*
        const _: () = {
            use #krate::__private as __tasker;
            #nth
            const STEPS: [__tasker::Listed; #count] = [#(#listed),*];
            #[allow(long_running_const_eval)]
            const _: () = #check;
            const __WORKFLOW: __tasker::Workflow =
                __tasker::Workflow::of_steps(#name, &STEPS, #settings, __tasker::core::file!(), #line);
            __tasker::inventory::submit! { __WORKFLOW }
            impl __tasker::WorkflowType for #marker {
                const WORKFLOW: __tasker::Workflow = __WORKFLOW;
            }
            #types
            #implemented
        };
    }
}

/// What the steps read as the context, what the workflow comes to, and the check that no step reads from the
/// context what another one returns. Types are compared with the first two that are read as the context.
fn types(workflow: &Workflow, marker: &Ident, slots: usize) -> TokenStream {
    let steps = &workflow.steps;
    let count = steps.len();
    let name = workflow.ident.unraw().to_string();
    let of_type = |ty: &str| {
        let ty = Ident::new(ty, Span::call_site());
        let each = (0..count).map(move |index| {
            quote! {
                [
                    __tasker::Same::<__Context<#index>, #ty>::YES,
                    __tasker::Same::<__Output<#index>, #ty>::YES,
                ]
            }
        });
        quote!({ use __tasker::Fallback as _; [#(#each),*] })
    };
    let checked = |of_type: &str| {
        let of_type = Ident::new(of_type, Span::call_site());
        quote_spanned! {workflow.ident.span()=>
            #[allow(long_running_const_eval)]
            const _: () = __tasker::check_marked(#name, &STEPS, &NAMES, &#of_type);
        }
    };
    let (first, second) = (of_type("__First"), of_type("__Second"));
    let (check_first, check_second) = (checked("OF_FIRST"), checked("OF_SECOND"));
    let (ty, check_first, context) = match &workflow.input {
        Some(input) => (quote!(#input), quote!(), quote!(#input)),
        None => {
            let first = quote!(__Context<{ FIRST }>);
            // Of several types none is the one that all read.
            let context = quote! {
                __Context<{
                    if SECOND == #count { FIRST } else { #count }
                }>
            };
            (first, check_first, context)
        }
    };
    quote! {
        type __Context<const STEP: __tasker::core::primitive::usize> =
            <<__Steps as __tasker::Nth<STEP>>::Step as __tasker::StepFn>::Context;
        type __Output<const STEP: __tasker::core::primitive::usize> =
            <<__Steps as __tasker::Nth<STEP>>::Step as __tasker::StepFn>::Output;
        #[allow(long_running_const_eval)]
        const NAMES: __tasker::Names<#slots> = __tasker::names::<#count, #slots>(&STEPS);
        #[allow(long_running_const_eval)]
        const LAST: __tasker::core::primitive::usize = __tasker::last(&STEPS, &NAMES);
        #[allow(long_running_const_eval)]
        const FIRST: __tasker::core::primitive::usize =
            __tasker::reader(&STEPS, &[[false; 2]; #count]);
        type __First = #ty;
        const OF_FIRST: [[__tasker::bool; 2]; #count] = #first;
        #check_first
        #[allow(long_running_const_eval)]
        const SECOND: __tasker::core::primitive::usize = __tasker::reader(&STEPS, &OF_FIRST);
        type __Second = __Context<{ SECOND }>;
        const OF_SECOND: [[__tasker::bool; 2]; #count] = #second;
        #check_second
        impl __tasker::Runs<#context, __Output<{ LAST }>> for #marker {
            fn template_name(&self) -> __tasker::String {
                __WORKFLOW.full_name()
            }
        }
    }
}

/// The type of that name, so that whoever names it still can, and the mistakes.
pub(super) fn mistaken(workflow: &Workflow, errors: &Errors) -> TokenStream {
    let krate = krate(workflow);
    let name = workflow.ident.unraw().to_string();
    let errors = errors.to_tokens();
    let is_step = workflow.steps.iter().any(|step| step.get_ident() == Some(&workflow.ident));
    if is_step {
        // The name is that of something else.
        return errors;
    }
    let named = (&workflow.ident, workflow.marker.as_ref());
    let declared = named::declare(&workflow.attrs, &workflow.vis, named, "");
    let marker = named::marker(&workflow.ident, workflow.marker.as_ref());
    let implemented = named::implement(&marker);
    let untyped = named::untyped(&marker);
    let cfgs = named::cfgs(&workflow.attrs);
    quote! {
        #declared
        #(#cfgs)*
        const _: () = {
            use #krate::__private as __tasker;
            const __WORKFLOW: __tasker::Workflow =
                __tasker::Workflow::of_steps(#name, &[], __tasker::Settings::DEFAULT, "", 0);
            #untyped
            #implemented
        };
        #errors
    }
}

fn krate(workflow: &Workflow) -> Path {
    workflow.krate.clone().unwrap_or_else(|| syn::parse_quote!(::tasker_runtime))
}

fn settings(workflow: &Workflow) -> TokenStream {
    let mut settings = quote!(__tasker::Settings::DEFAULT);
    let mut say = |option: Option<TokenStream>| settings.extend(option);
    say(workflow.namespace.as_ref().map(|text| quote!(.namespace(#text))));
    say(workflow.version.as_ref().map(|text| quote!(.version(#text))));
    say(workflow.description.as_ref().map(|text| quote!(.description(#text))));
    say(workflow.input.as_ref().filter(|_| cfg!(feature = "schema")).map(|input| {
        quote!(.context({ #[allow(unused_imports)] use __tasker::NotDescribed as _; __tasker::Described::<#input>::READ }))
    }));
    say(workflow.on_failure.as_ref().map(|word| quote!(.on_failure(__tasker::OnFailure::#word))));
    settings
}
