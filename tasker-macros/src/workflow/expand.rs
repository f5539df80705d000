//! From a workflow to code.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::ext::IdentExt as _;
use syn::spanned::Spanned as _;

use super::entries::{Entry, Step, What};
use super::limits::Concurrency;
use super::parse::Workflow;
use crate::errors::Errors;
use crate::{graph, named, runtime};

/// Two workflows, one with the first entry that is conditional and one without; the compiler takes one of them.
pub(super) fn either(workflow: &Workflow) -> TokenStream {
    let krate = krate(workflow);
    let Workflow { attrs, vis, ident, entries, rest, .. } = workflow;
    let Some(chosen) = entries.iter().position(|entry| !entry.conditions.is_empty()) else { return quote!() };
    let conditions = &entries[chosen].conditions;
    let listed = |with: bool| {
        let kept = entries.iter().enumerate().filter(move |(index, _)| with || *index != chosen);
        kept.map(move |(index, entry)| {
            let conditions = if index == chosen { &[][..] } else { &entry.conditions };
            let tokens = &entry.tokens;
            quote!(#(#[cfg(#conditions)])* #tokens)
        })
    };
    let (with, without) = (listed(true), listed(false));
    quote! {
        #[cfg(all(#(#conditions),*))]
        #krate::workflow! { #(#attrs)* #vis #ident = [#(#with),*], #rest }
        #[cfg(not(all(#(#conditions),*)))]
        #krate::workflow! { #(#attrs)* #vis #ident = [#(#without),*], #rest }
    }
}

/// The numbers of a workflow, which are only known to the compiler where it takes over the steps of another one.
struct Sizes {
    /// How many steps are written in its list.
    own: usize,
    /// How many there are in all.
    count: TokenStream,
    /// The places in the table of their names.
    slots: TokenStream,
}

/// The type of that name, its checks and its place in the registry.
pub(super) fn whole(workflow: &Workflow) -> TokenStream {
    let krate = krate(workflow);
    let name = workflow.ident.unraw().to_string();
    let marker = named::marker(&workflow.ident, workflow.marker.as_ref());
    let nth = named::nth(workflow.steps().map(|step| {
        let handler = &step.handler;
        quote!((#handler))
    }));
    let (lists, sizes) = lists(workflow);
    let (count, slots) = (&sizes.count, &sizes.slots);
    let are_steps = workflow.steps().enumerate().map(|(index, Step { handler, .. })| {
        let step = quote!(<__Steps as __tasker::Nth<#index>>::Step);
        quote_spanned!(handler.span()=> __tasker::is_step::<#step>();)
    });
    let are_steps: TokenStream = are_steps.collect();
    let check = quote_spanned! {workflow.ident.span()=> {
        #are_steps
        __tasker::check_workflow::<#count, #slots>(#name, &STEPS)
    }};
    let line = quote_spanned!(workflow.ident.span()=> __tasker::core::line!());
    let settings = settings(workflow);
    let types = types(workflow, &marker, &sizes);
    let cfgs = named::cfgs(&workflow.attrs);
    let declared = named::declare(
        &workflow.attrs,
        &workflow.vis,
        (&workflow.ident, workflow.marker.as_ref()),
        &format!("The workflow `{name}`."),
        Some(&steps(workflow)),
    );
    let implemented = named::implement(&marker);
    quote! {
        #declared
        #(#cfgs)*
        const _: () = {
            use #krate::__private as __tasker;
            #nth
            #lists
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

/// The graph of the steps for the docs, by the names they have in code; the names alone, where the edges are not known.
fn steps(workflow: &Workflow) -> String {
    let name = |path: &syn::Path| graph::last(path).unwrap_or_default();
    let mut nodes = Some(Vec::new());
    for entry in &workflow.entries {
        let known = match &entry.what {
            What::Step(step) => {
                let after = step.after.iter().map(name).collect();
                Some(vec![graph::Node { name: step.name(), handler: name(&step.handler), after }])
            }
            What::Steps(path) => graph::workflow(&name(path)),
        };
        nodes = nodes.zip(known).map(|(all, known)| [all, known].concat());
    }
    if let Some(nodes) = &nodes {
        graph::remember_workflow(workflow.ident.unraw().to_string(), nodes.clone());
    }
    if let Some(picture) = nodes.as_deref().and_then(graph::picture) {
        return format!("\nIts steps, and what they wait for:\n\n```text\n{picture}\n```");
    }
    let entries = workflow.entries.iter().map(|entry| match &entry.what {
        What::Step(step) => format!("`{}`", step.name()),
        What::Steps(path) => format!("those of `{}`", name(path)),
    });
    format!("\nIts steps: {}.", entries.collect::<Vec<_>>().join(", "))
}

/// The steps, those of other workflows among them.
fn lists(workflow: &Workflow) -> (TokenStream, Sizes) {
    let aliases: Vec<String> = workflow.steps().filter(|step| step.alias.is_some()).map(Step::name).collect();
    let own = workflow.steps().count();
    let is_spliced = workflow.entries.iter().any(|entry| entry.step().is_none());
    if !is_spliced {
        let listed = workflow.steps().map(|step| listed(step, &aliases));
        let slots = (2 * own).next_power_of_two();
        let lists = quote!(const STEPS: [__tasker::Listed; #own] = [#(#listed),*];);
        return (lists, Sizes { own, count: quote!(#own), slots: quote!(#slots) });
    }
    let parts = workflow.entries.iter().map(|entry| match &entry.what {
        What::Step(step) => {
            let listed = listed(step, &aliases);
            quote!(__tasker::Part::Own(#listed))
        }
        What::Steps(path) => {
            let other = quote!((#path));
            let steps = quote_spanned!(path.span()=> <#other as __tasker::WorkflowType>::WORKFLOW.listed());
            quote!(__tasker::Part::Other(#steps))
        }
    });
    let number = workflow.entries.len();
    let lists = quote! {
        const PARTS: [__tasker::Part; #number] = [#(#parts),*];
        const COUNT: __tasker::core::primitive::usize = __tasker::count(&PARTS);
        const SLOTS: __tasker::core::primitive::usize = (2 * COUNT).next_power_of_two();
        const STEPS: [__tasker::Listed; COUNT] = __tasker::joined(&PARTS);
        const OWN_STEPS: [__tasker::Listed; #own] = __tasker::own_steps(&PARTS);
        // Of each step its number among those that are written here.
        const OWN: [__tasker::core::primitive::usize; COUNT] = __tasker::own_numbers(&PARTS);
    };
    (lists, Sizes { own, count: quote!({ COUNT }), slots: quote!({ SLOTS }) })
}

/// A step of the list; `aliases` are the names that steps of it are given.
fn listed(step: &Step, aliases: &[String]) -> TokenStream {
    let handler = &step.handler;
    // In parentheses it can only be a type, and a function is refused in plain words.
    let ty = quote!((#handler));
    let mut listed = quote_spanned!(handler.span()=> __tasker::as_listed::<#ty>());
    if let Some(alias) = &step.alias {
        let alias = alias.unraw().to_string();
        listed.extend(quote!(.called(#alias)));
    }
    if !step.after.is_empty() {
        let after =
            step.after.iter().map(|path| match path.get_ident().map(|ident| ident.unraw().to_string()) {
                Some(name) if aliases.contains(&name) => quote!(#name),
                _ => quote!(<(#path) as __tasker::StepFn>::NAME),
            });
        listed.extend(quote!(.after(&[#(#after),*])));
    }
    listed
}

/// What the steps read as the context, what the workflow comes to, and the check that no step reads from the
/// context what another one returns. Types are compared with the first two that are read as the context. Of steps
/// that another workflow has the types are not known here.
fn types(workflow: &Workflow, marker: &Ident, sizes: &Sizes) -> TokenStream {
    let Sizes { own, count, slots } = sizes;
    let is_spliced = workflow.entries.iter().any(|entry| entry.step().is_none());
    let name = workflow.ident.unraw().to_string();
    let of_type = |ty: &str| {
        let ty = Ident::new(ty, Span::call_site());
        let each = (0..*own).map(move |index| {
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
        let of_type = if is_spliced { quote!(__tasker::of_all(&OWN, &#of_type)) } else { quote!(#of_type) };
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
                    if SECOND == #own { FIRST } else { #own }
                }>
            };
            (first, check_first, context)
        }
    };
    let last = quote!(__tasker::last::<#count, #slots>(&STEPS, &NAMES));
    let (own_steps, last) = match is_spliced {
        true => (quote!(OWN_STEPS), quote!(__tasker::own_number(&OWN, #last, #own))),
        false => (quote!(STEPS), last),
    };
    quote! {
        type __Context<const STEP: __tasker::core::primitive::usize> =
            <<__Steps as __tasker::Nth<STEP>>::Step as __tasker::StepFn>::Context;
        type __Output<const STEP: __tasker::core::primitive::usize> =
            <<__Steps as __tasker::Nth<STEP>>::Step as __tasker::StepFn>::Output;
        #[allow(long_running_const_eval)]
        const NAMES: __tasker::Names<#slots> = __tasker::names::<#count, #slots>(&STEPS);
        #[allow(long_running_const_eval)]
        const LAST: __tasker::core::primitive::usize = #last;
        #[allow(long_running_const_eval)]
        const FIRST: __tasker::core::primitive::usize =
            __tasker::reader(&#own_steps, &[[false; 2]; #own]);
        type __First = #ty;
        const OF_FIRST: [[__tasker::bool; 2]; #own] = #first;
        #check_first
        #[allow(long_running_const_eval)]
        const SECOND: __tasker::core::primitive::usize = __tasker::reader(&#own_steps, &OF_FIRST);
        type __Second = __Context<{ SECOND }>;
        const OF_SECOND: [[__tasker::bool; 2]; #own] = #second;
        #check_second
        impl __tasker::Runs<#context, __Output<{ LAST }>> for #marker {
            fn full_name() -> __tasker::Option<__tasker::String> {
                __tasker::Option::Some(__WORKFLOW.full_name())
            }
        }
    }
}

/// The type of that name, so that whoever names it still can, and the mistakes.
pub(super) fn mistaken(workflow: &Workflow, errors: &Errors) -> TokenStream {
    let krate = krate(workflow);
    let name = workflow.ident.unraw().to_string();
    let errors = errors.to_tokens();
    let is_step = workflow.steps().any(|step| step.handler.get_ident() == Some(&workflow.ident));
    if is_step {
        // The name is that of something else.
        return errors;
    }
    let named = (&workflow.ident, workflow.marker.as_ref());
    let declared = named::declare(&workflow.attrs, &workflow.vis, named, "", None);
    let marker = named::marker(&workflow.ident, workflow.marker.as_ref());
    let implemented = named::implement(&marker);
    let untyped = named::untyped(&marker);
    let cfgs = named::cfgs(&workflow.attrs);
    // What else is wrong with the names of steps is said all the same.
    let others = workflow.entries.iter().filter(|entry| entry.conditions.is_empty());
    let others =
        others.filter_map(Entry::step).filter(|step| !step.is_unmarked()).map(|Step { handler, .. }| {
            let ty = quote!((#handler));
            quote_spanned!(handler.span()=> __tasker::as_listed::<#ty>();)
        });
    quote! {
        #declared
        #(#cfgs)*
        const _: () = {
            use #krate::__private as __tasker;
            const _: () = { #(#others)* };
            const __WORKFLOW: __tasker::Workflow =
                __tasker::Workflow::of_steps(#name, &[], __tasker::Settings::DEFAULT, "", 0);
            #untyped
            #implemented
        };
        #errors
    }
}

fn krate(workflow: &Workflow) -> TokenStream {
    runtime::path(workflow.krate.as_ref())
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
    say(workflow.concurrency.as_ref().map(|limit| {
        let Concurrency { key, limit, on_conflict } = limit;
        let key =
            key.as_ref().map_or(quote!(__tasker::Option::None), |key| quote!(__tasker::Option::Some(#key)));
        quote!(.concurrency(#key, #limit, __tasker::OnConflict::#on_conflict))
    }));
    say(workflow.schedule.as_ref().map(|json| quote!(.schedule(#json))));
    settings
}
