//! From a file to code.

use std::collections::BTreeSet;

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens as _, quote, quote_spanned};
use syn::Path;
use syn::ext::IdentExt as _;
use tasker_template::{Step, StepKind, Template};

use super::file::File;
use super::parse::{Handlers, Input};
use crate::errors::Errors;
use crate::{graph, named, runtime, words};

/// The type of that name, its checks, its place in the registry, and the tie to the file.
pub(super) fn whole(input: &Input, file: &File) -> TokenStream {
    let Some(template) = &file.template else { return quote!() };
    let krate = krate(input);
    let (name, namespace, path) = (template.name(), template.namespace(), input.path.value());
    let full = file.full.to_string_lossy();
    let checks = checks(input, file, template);
    let line = quote_spanned!(input.path.span()=> __tasker::core::line!());
    // Including it makes the compiler look again when it changes.
    let workflow = quote! {
        __tasker::Workflow::of_yaml(
            (#namespace, #name),
            #path,
            __tasker::core::include_str!(#full),
            __tasker::core::file!(),
            #line,
        )
    };
    let Some(ident) = &input.ident else {
        return quote! {
            const _: () = {
                use #krate::__private as __tasker;
                const __WORKFLOW: __tasker::Workflow = #workflow;
                __tasker::inventory::submit! { __WORKFLOW }
                #checks
            };
        };
    };
    let named = (ident, input.marker.as_ref());
    let doc = format!("The workflow `{name}` of `{path}`.");
    let rows: Vec<(String, Vec<String>)> = (0..)
        .zip(template.steps())
        .map(|(number, step)| {
            let above = template.dependencies(number).iter().filter_map(|&above| template.step(above));
            (step.name.to_string(), above.map(|above| above.name.to_string()).collect())
        })
        .collect();
    let picture = graph::drawn(&rows);
    let picture = format!("\nIts steps, and what they wait for:\n\n```text\n{picture}\n```");
    let declared = named::declare(&input.attrs, &input.vis, named, &doc, Some(&picture));
    let marker = named::marker(ident, input.marker.as_ref());
    let implemented = named::implement(&marker);
    let cfgs = named::cfgs(&input.attrs);
    quote! {
        #declared
        #(#cfgs)*
        const _: () = {
            use #krate::__private as __tasker;
            const __WORKFLOW: __tasker::Workflow = #workflow;
            __tasker::inventory::submit! { __WORKFLOW }
            #implemented
            #checks
        };
    }
}

/// The type, so that whoever names it still can, the tie to the file, and the mistakes.
pub(super) fn mistaken(input: &Input, file: Option<&File>, errors: &Errors) -> TokenStream {
    let errors = errors.to_tokens();
    let krate = krate(input);
    let tie = file.map(|file| {
        let full = file.full.to_string_lossy();
        quote!(const _: &[#krate::__private::core::primitive::u8] = #krate::__private::core::include_bytes!(#full);)
    });
    let named = input.ident.as_ref().map(|ident| {
        let declared = named::declare(&input.attrs, &input.vis, (ident, input.marker.as_ref()), "", None);
        let marker = named::marker(ident, input.marker.as_ref());
        let implemented = named::implement(&marker);
        let untyped = named::untyped(&marker);
        let cfgs = named::cfgs(&input.attrs);
        quote! {
            #declared
            #(#cfgs)*
            const _: () = {
                use #krate::__private as __tasker;
                const __WORKFLOW: __tasker::Workflow =
                    __tasker::Workflow::of_yaml(("", ""), "", "", "", 0);
                #untyped
                #implemented
            };
        }
    });
    quote!(#named #tie #errors)
}

fn krate(input: &Input) -> TokenStream {
    runtime::path(input.krate.as_ref())
}

/// A constant that holds the handlers against the file, and the types of the workflow.
fn checks(input: &Input, file: &File, template: &Template) -> TokenStream {
    let steps = template.steps();
    let count = steps.len();
    let wanted = (0..).zip(steps).zip(&file.places).map(|((number, step), place)| {
        let (name, callable) = (&*step.name, &step.handler.callable);
        let depends_on = template.dependencies(number).iter().map(|&number| number as usize);
        let found = match step.kind.has_handler() {
            true => find(input, callable),
            false => quote!(__tasker::Option::Some(__tasker::Listed::WAITS)),
        };
        let near = match near(input, step).filter(|_| step.kind.has_handler()) {
            Some(near) => find(input, &near),
            None => quote!(__tasker::Option::None),
        };
        quote! {
            __tasker::Wanted {
                step: #name,
                place: #place,
                callable: #callable,
                depends_on: &[#(#depends_on),*],
                found: #found,
                near: #near,
            }
        }
    });
    let (namespace, place) = (template.namespace(), input.handlers.to_text());
    let check = quote_spanned! {input.path.span()=>
        __tasker::check_template::<#count>(#namespace, #place, &STEPS)
    };
    let types = input.ident.as_ref().map(|ident| {
        let marker = named::marker(ident, input.marker.as_ref());
        types(input, template, &marker).unwrap_or_else(|| named::untyped(&marker))
    });
    let code = quote! {
        const STEPS: [__tasker::Wanted; #count] = [#(#wanted),*];
        #[allow(long_running_const_eval)]
        const _: () = #check;
        #types
    };
    match &input.handlers {
        Handlers::Module(module) => in_module(module, &names(input, steps), &code),
        Handlers::List(list) => {
            let length = list.len();
            quote! {
                const __LIST: [__tasker::Listed; #length] = [#(__tasker::workflow_step::<(#list)>()),*];
                #code
            }
        }
    }
}

/// The type of the handler that `callable` means, as far as the file tells.
fn step_type(input: &Input, callable: &str) -> Option<TokenStream> {
    match &input.handlers {
        Handlers::Module(_) => function(callable).map(|ident| quote!(#ident)),
        Handlers::List(list) => {
            let named = |path: &Path| path.segments.last().is_some_and(|last| last.ident.unraw() == callable);
            list.iter().find(|path| named(path)).map(|path| quote!((#path)))
        }
    }
}

/// What the steps read as the context, where that is one type, and what the only step returns that nothing
/// depends on, unless a decision may skip it; `None` where the handlers are not known by their names.
fn types(input: &Input, template: &Template, marker: &Ident) -> Option<TokenStream> {
    let handlers: Option<Vec<TokenStream>> =
        template.steps().iter().map(|step| step_type(input, &step.handler.callable)).collect();
    let handlers = handlers?;
    let count = handlers.len();
    let steps = named::nth(handlers.into_iter());
    let decides = template.steps().iter().any(|step| step.kind == StepKind::Decision);
    let is_certain = |&leaf: &u32| {
        let kind = template.step(leaf).map(|step| step.kind);
        !decides || kind == Some(StepKind::DeferredConvergence)
    };
    let last = match template.leaves() {
        [leaf] if is_certain(leaf) => *leaf as usize,
        _ => count,
    };
    let same = (0..count).map(|index| quote!([__tasker::Same::<__Context<#index>, __First>::YES, false]));
    Some(quote! {
        #steps
        type __Context<const STEP: __tasker::core::primitive::usize> =
            <<__Steps as __tasker::Nth<STEP>>::Step as __tasker::StepFn>::Context;
        const READS: [__tasker::bool; #count] = __tasker::readers(&STEPS);
        type __First = __Context<{ __tasker::reader_of(&READS, &[[false; 2]; #count]) }>;
        const OF_FIRST: [[__tasker::bool; 2]; #count] = { use __tasker::Fallback as _; [#(#same),*] };
        impl __tasker::WorkflowType for #marker {
            const WORKFLOW: __tasker::Workflow = __WORKFLOW;
        }
        // Of several types none is the one that all read.
        impl __tasker::Runs<
            __Context<{
                match __tasker::reader_of(&READS, &OF_FIRST) {
                    #count => __tasker::reader_of(&READS, &[[false; 2]; #count]),
                    _ => #count,
                }
            }>,
            <<__Steps as __tasker::Nth<#last>>::Step as __tasker::StepFn>::Output,
        > for #marker {
            fn full_name() -> __tasker::Option<__tasker::String> {
                __tasker::Option::Some(__WORKFLOW.full_name())
            }
        }
    })
}

/// Code that names handlers of a module, some of which may not be there: those are found as the types
/// around it, which stand for nothing.
fn in_module(module: &Path, names: &BTreeSet<String>, code: &TokenStream) -> TokenStream {
    let missing = names.iter().filter_map(|name| {
        let ident = function(name)?;
        Some(quote! {
            #[allow(non_camel_case_types, dead_code)]
            struct #ident;
            impl __tasker::TemplateStep for #ident {
                const FOUND: __tasker::Option<__tasker::Listed> = __tasker::Option::None;
            }
        })
    });
    quote! {
        #(#missing)*
        const _: () = {
            #[allow(unused_imports)]
            use #module::*;
            #code
        };
    }
}

/// The name of the function that a callable means: the callable itself, or what follows its namespace.
fn function(callable: &str) -> Option<Ident> {
    let name = callable.rsplit_once('.').map_or(callable, |(_, name)| name);
    syn::parse_str(name).or_else(|_| syn::parse_str(&format!("r#{name}"))).ok()
}

/// The handler of that name, if it is there.
fn find(input: &Input, callable: &str) -> TokenStream {
    match &input.handlers {
        Handlers::Module(_) => match function(callable) {
            Some(ident) => quote!(__tasker::template_step::<#ident>()),
            None => quote!(__tasker::Option::None),
        },
        Handlers::List(_) => quote!(__tasker::pick(&__LIST, #callable)),
    }
}

/// What may be meant by a callable that is not there: the name of its step, or something else in the list.
/// Among what else the file names it is looked for where the handler is missed, since files are long.
fn near(input: &Input, step: &Step) -> Option<String> {
    let callable = step.handler.callable.as_str();
    let mut known: Vec<String> = vec![step.name.to_string()];
    if let Handlers::List(list) = &input.handlers {
        known.extend(list.iter().filter_map(|path| Some(path.segments.last()?.ident.unraw().to_string())));
    }
    known.retain(|name| name != callable);
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    words::near(callable, &known).map(str::to_owned)
}

/// Every name that is looked for.
fn names(input: &Input, steps: &[Step]) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for step in steps.iter().filter(|step| step.kind.has_handler()) {
        names.extend(function(&step.handler.callable).map(|name| name.to_string()));
        let near = near(input, step);
        names.extend(near.and_then(|near| function(&near)).map(|name| name.to_string()));
    }
    names
}

impl Handlers {
    /// As a person would write it.
    fn to_text(&self) -> String {
        match self {
            Self::Module(module) => module.to_token_stream().to_string().replace(' ', ""),
            Self::List(_) => "the list of handlers".to_owned(),
        }
    }
}
