//! From a workflow to code.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::Path;
use syn::ext::IdentExt as _;

use super::parse::Workflow;
use crate::errors::Errors;

/// The constant of that name, its checks and its place in the registry.
pub(super) fn whole(workflow: &Workflow) -> TokenStream {
    let Workflow { attrs, vis, steps, .. } = workflow;
    let default: Path = syn::parse_quote!(::tasker_runtime);
    let krate = workflow.krate.as_ref().unwrap_or(&default);
    let mut ident = workflow.ident.clone();
    ident.set_span(ident.span().resolved_at(Span::call_site()));
    let name = ident.unraw().to_string();
    let count = steps.len();
    let slots = (2 * count).next_power_of_two();
    // In parentheses each can only be a type, and a function is refused in plain words.
    let listed = steps.iter().map(|step| quote!(__tasker::workflow_step::<(#step)>()));
    let check = quote_spanned! {workflow.ident.span()=>
        __tasker::check_workflow::<#count, #slots>(#name, &STEPS)
    };
    let line = quote_spanned!(workflow.ident.span()=> __tasker::core::line!());
    let settings = settings(workflow);
    let doc = attrs.is_empty().then(|| {
        let text = format!("The workflow `{name}`.");
        quote!(#[doc = #text])
    });
    quote! {
        #doc
        #(#attrs)*
        #[allow(non_upper_case_globals)]
        #vis const #ident: #krate::rules::Workflow = {
            use #krate::rules as __tasker;
            const STEPS: [__tasker::Listed; #count] = [#(#listed),*];
            #[allow(long_running_const_eval)]
            const _: () = #check;
            const WORKFLOW: __tasker::Workflow =
                __tasker::Workflow::of_steps(#name, &STEPS, #settings, __tasker::core::file!(), #line);
            // Here and not by the name above, which may be that of something else by mistake.
            const _: () = {
                __tasker::inventory::submit! { WORKFLOW }
            };
            WORKFLOW
        };
    }
}

/// The constant of that name, so that whoever names it still can, and the mistakes.
pub(super) fn mistaken(workflow: &Workflow, errors: &Errors) -> TokenStream {
    let Workflow { vis, ident, .. } = workflow;
    let default: Path = syn::parse_quote!(::tasker_runtime);
    let krate = workflow.krate.as_ref().unwrap_or(&default);
    let errors = errors.to_tokens();
    quote! {
        #[doc(hidden)]
        #[allow(non_upper_case_globals, dead_code)]
        #vis const #ident: #krate::rules::Workflow = #krate::rules::Workflow::of_steps(
            "", &[], #krate::rules::Settings::DEFAULT, "", 0,
        );
        #errors
    }
}

fn settings(workflow: &Workflow) -> TokenStream {
    let mut settings = quote!(__tasker::Settings::DEFAULT);
    let mut say = |option: Option<TokenStream>| settings.extend(option);
    say(workflow.namespace.as_ref().map(|text| quote!(.namespace(#text))));
    say(workflow.version.as_ref().map(|text| quote!(.version(#text))));
    say(workflow.description.as_ref().map(|text| quote!(.description(#text))));
    say(workflow.on_failure.as_ref().map(|word| quote!(.on_failure(__tasker::OnFailure::#word))));
    settings
}
