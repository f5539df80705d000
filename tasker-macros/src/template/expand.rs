//! From a file to code.

use std::collections::BTreeSet;

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens as _, format_ident, quote, quote_spanned};
use syn::Path;
use syn::ext::IdentExt as _;
use tasker_template::{Step, Template};

use super::file::File;
use super::parse::{Handlers, Input};
use crate::errors::Errors;
use crate::words;

/// The constant, its checks, its place in the registry, and the tie to the file.
pub(super) fn whole(input: &Input, file: &File) -> TokenStream {
    let Some(template) = &file.template else { return quote!() };
    let krate = krate(input);
    let ident = ident(input);
    let (attrs, vis) = (&input.attrs, &input.vis);
    let (name, path) = (template.name(), input.path.value());
    let full = file.full.to_string_lossy();
    let checks = checks(input, file, template);
    let line = quote_spanned!(input.path.span()=> __tasker::core::line!());
    let doc = attrs.is_empty().then(|| {
        let text = format!("The workflow `{name}` of `{path}`.");
        quote!(#[doc = #text])
    });
    let workflow = quote! {
        #doc
        #(#attrs)*
        #[allow(non_upper_case_globals)]
        #vis const #ident: #krate::rules::Workflow = {
            use #krate::rules as __tasker;
            // Including it makes the compiler look again when it changes.
            __tasker::Workflow::of_yaml(
                #name,
                #path,
                __tasker::core::include_str!(#full),
                __tasker::core::file!(),
                #line,
            )
        };
    };
    let register = quote! {
        const _: () = {
            use #krate::rules as __tasker;
            __tasker::inventory::submit! { #ident }
        };
    };
    if input.ident.is_some() {
        quote!(#workflow #register #checks)
    } else {
        quote!(const _: () = { #workflow #register }; #checks)
    }
}

/// The constant, so that whoever names it still can, the tie to the file, and the mistakes.
pub(super) fn mistaken(input: &Input, file: Option<&File>, errors: &Errors) -> TokenStream {
    let errors = errors.to_tokens();
    let krate = krate(input);
    let tie = file.map(|file| {
        let full = file.full.to_string_lossy();
        quote!(const _: &[#krate::rules::core::primitive::u8] = #krate::rules::core::include_bytes!(#full);)
    });
    let constant = input.ident.is_some().then(|| {
        let (ident, vis) = (ident(input), &input.vis);
        quote! {
            #[doc(hidden)]
            #[allow(non_upper_case_globals, dead_code)]
            #vis const #ident: #krate::rules::Workflow =
                #krate::rules::Workflow::of_yaml("", "", "", "", 0);
        }
    });
    quote!(#constant #tie #errors)
}

fn krate(input: &Input) -> Path {
    input.krate.clone().unwrap_or_else(|| syn::parse_quote!(::tasker_runtime))
}

/// The name of the constant; one that nobody sees where none was given.
fn ident(input: &Input) -> Ident {
    match &input.ident {
        Some(ident) => {
            let mut ident = ident.clone();
            ident.set_span(ident.span().resolved_at(Span::call_site()));
            ident
        }
        None => format_ident!("__WORKFLOW"),
    }
}

/// A constant that holds the handlers against the file.
fn checks(input: &Input, file: &File, template: &Template) -> TokenStream {
    let krate = krate(input);
    let steps = template.steps();
    let count = steps.len();
    let wanted = (0..).zip(steps).zip(&file.places).map(|((number, step), place)| {
        let (name, callable) = (&*step.name, &step.handler.callable);
        let depends_on = template.dependencies(number).iter().map(|&number| number as usize);
        let found = find(input, callable);
        let near = match near(input, step) {
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
    let (namespace, handlers) = (template.namespace(), input.handlers.to_text());
    let check = quote_spanned! {input.path.span()=>
        __tasker::check_template::<#count>(#namespace, #handlers, &STEPS)
    };
    let steps_and_check = quote! {
        const STEPS: [__tasker::Wanted; #count] = [#(#wanted),*];
        #[allow(long_running_const_eval)]
        const _: () = #check;
    };
    let body = match &input.handlers {
        Handlers::Module(module) => in_module(module, &names(input, steps), &steps_and_check),
        Handlers::List(list) => {
            let length = list.len();
            quote! {
                const __LIST: [__tasker::Listed; #length] = [#(__tasker::workflow_step::<(#list)>()),*];
                #steps_and_check
            }
        }
    };
    quote! {
        const _: () = {
            use #krate::rules as __tasker;
            #body
        };
    }
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
    for step in steps {
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
