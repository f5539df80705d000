//! The rules, one function each.

use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::{FnArg, GenericArgument, Pat, PathArguments, Signature, Type, TypeParamBound};

use super::param::{self, Param, Source, is_step};
use super::parse::Handler;
use super::{capability, compensates, declare, keys, publishes, results, shape};
use crate::errors::Errors;
use crate::{names, place, words};

/// Checks every rule.
pub(super) fn all(handler: &Handler, errors: &mut Errors) {
    let sig = &handler.function.sig;
    is_async(handler, errors);
    is_not_generic(sig, errors);
    has_no_self(sig, errors);
    is_plain(sig, errors);
    has_named_types(handler, errors);
    returns_at_all(handler, errors);
    shares_once(handler, errors);
    owns_its_inputs(handler, errors);
    owns_its_output(handler, errors);
    does_not_depend_on_itself(handler, errors);
    comes_after_others(handler, errors);
    capability::check(&handler.capabilities, errors);
    shape::check(handler, errors);
    results::check(handler, errors);
    keys::check(handler, errors);
    has_a_name_for_steps(handler, errors);
    compensates::check(handler, errors);
    publishes::check(handler, errors);
}

/// Checks the rules of a step that is only declared.
pub(super) fn of_declared(handler: &Handler, errors: &mut Errors) {
    if let Some(FnArg::Receiver(receiver)) = handler.function.sig.inputs.first() {
        errors.at(receiver, "a declared step has no `self`: it says which data it takes");
    }
    has_named_types(handler, errors);
    returns_at_all(handler, errors);
    declare::takes_data(handler, errors);
    owns_its_inputs(handler, errors);
    does_not_depend_on_itself(handler, errors);
    results::check(handler, errors);
    keys::check(handler, errors);
    has_a_name_for_steps(handler, errors);
}

fn is_async(handler: &Handler, errors: &mut Errors) {
    let sig = &handler.function.sig;
    if sig.asyncness.is_some() {
        return;
    }
    if let Some(attribute) = place::made_sync_by(sig.fn_token.span) {
        let message = format!(
            "`{attribute}` above has made another function of this: take it away, a handler runs where it is called"
        );
        errors.at(sig.fn_token, message);
        return;
    }
    let returns = match promised(&handler.returns()) {
        Some(output) => format!(", with `-> {}` in place of the future", written(&output)),
        None => String::new(),
    };
    errors.at(sig.fn_token, format!("a handler must be async: write `async fn {}`{returns}", sig.ident));
}

/// What an `impl Future<Output = T>` comes to.
fn promised(ty: &Type) -> Option<Type> {
    let Type::ImplTrait(bounds) = ty else { return None };
    let last = bounds.bounds.iter().find_map(|bound| match bound {
        TypeParamBound::Trait(bound) => bound.path.segments.last().filter(|last| last.ident == "Future"),
        _ => None,
    })?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
    arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::AssocType(output) if output.ident == "Output" => Some(output.ty.clone()),
        _ => None,
    })
}

fn is_not_generic(sig: &Signature, errors: &mut Errors) {
    let generics = &sig.generics;
    if !generics.params.is_empty() && generics.params.len() == generics.lifetimes().count() {
        let borrows = |ty: &Type| match ty {
            Type::Reference(reference) if is_step(&reference.elem) => false,
            ty => borrows_anything(ty),
        };
        if sig.inputs.iter().any(|input| matches!(input, FnArg::Typed(input) if borrows(&input.ty))) {
            // Which is said of the parameter, and that they are not needed then.
            return;
        }
        let message = "a handler needs no lifetimes: it borrows nothing but the step, `&TaskSequenceStep`";
        errors.at(generics, message);
    } else if !generics.params.is_empty() {
        let message = "a handler cannot be generic: one name stands for one function, write the types out";
        errors.at(generics, message);
    } else if let Some(clause) = &generics.where_clause {
        errors.at(clause, "a handler cannot be generic: without type parameters there is nothing to bound");
    }
}

fn has_no_self(sig: &Signature, errors: &mut Errors) {
    if let Some(FnArg::Receiver(receiver)) = sig.inputs.first() {
        let message = "a handler has no `self`: put `#[step_handlers]` on the `impl` around it, or make it a free function that \
             takes what it shares as `State<T>`";
        errors.at(receiver, message);
    }
}

fn is_plain(sig: &Signature, errors: &mut Errors) {
    if let Some(keyword) = &sig.unsafety {
        errors.at(keyword, "a handler cannot be `unsafe`: nobody could promise what it asks for");
    }
    if let Some(abi) = &sig.abi {
        errors.at(abi, "a handler cannot be `extern`: it is called from Rust");
    }
    if let Some(keyword) = &sig.constness {
        errors.at(keyword, "a handler cannot be `const`: it runs while the program runs");
    }
    if let Some(dots) = &sig.variadic {
        errors.at(dots, "a handler has a fixed number of parameters");
    }
}

/// `impl Trait` hides the type that the compiler is to check.
fn has_named_types(handler: &Handler, errors: &mut Errors) {
    for Param { ty, .. } in &handler.params {
        if let Some(found) = impl_trait(ty) {
            errors.at(found, "the type of an input must be named: `impl Trait` leaves it open");
        }
    }
    // Without `async` it is the future that is written there.
    let is_async = handler.function.sig.asyncness.is_some();
    if let Some(found) = impl_trait(&handler.returns()).filter(|_| is_async) {
        errors.at(
            found,
            "the type of an output must be named: `impl Trait` hides it from the steps that read it",
        );
    }
}

/// The name of a workflow is a value, and no variable can have it. The compiler would say so of the parameter, and speak
/// of fields that the workflow does not have wherever it is used: nothing of the function is left to it.
pub(super) fn names_no_workflow(handler: &mut Handler, errors: &mut Errors) {
    let inputs = &handler.function.sig.inputs;
    let names: Vec<&Ident> = inputs.iter().filter_map(variable).collect();
    let Some(name) = place::workflow_among(&handler.function.sig.ident, &names).cloned() else { return };
    let message = format!(
        "`{name}` is a workflow in this module, and no variable can have the name of one: call the parameter or the \
         workflow something else"
    );
    errors.at(&name, message);
    for input in &mut handler.function.sig.inputs {
        if let FnArg::Typed(input) = input {
            *input.pat = syn::parse_quote!(_);
        }
    }
    handler.function.body = quote!({ loop {} });
}

/// The variable that a parameter is.
fn variable(input: &FnArg) -> Option<&Ident> {
    match input {
        FnArg::Typed(input) => match &*input.pat {
            Pat::Ident(pattern) => Some(&pattern.ident),
            _ => None,
        },
        FnArg::Receiver(_) => None,
    }
}

/// A step that never ends has no result.
fn returns_at_all(handler: &Handler, errors: &mut Errors) {
    let returns = handler.returns();
    if let Type::Never(never) = results::output(&returns) {
        errors.at(never, "a handler ends, with a result or a failure: write `Result<(), StepError>`");
    }
}

/// Where the compiler would say of a return type, each time it is named, that it is none.
pub(super) fn is_unnamed(returns: &Type) -> bool {
    let never = matches!(results::output(returns), Type::Never(_));
    never || impl_trait(returns).is_some() || borrows(returns)
}

/// The state that is shared already.
fn shares_once(handler: &Handler, errors: &mut Errors) {
    for Param { ty, .. } in &handler.params {
        let Type::Path(path) = ty else { continue };
        let Some(last) = path.path.segments.last() else { continue };
        let PathArguments::AngleBracketed(arguments) = &last.arguments else { continue };
        let pointer = ["Arc", "Rc", "Box", "Mutex", "RwLock"].iter().any(|pointer| last.ident == pointer);
        let inner = arguments.args.first().and_then(|argument| match argument {
            GenericArgument::Type(ty) => Some(ty),
            _ => None,
        });
        if let (true, Some(inner)) = (pointer, inner)
            && param::extractor(inner).is_some()
        {
            let message = match param::extractor(inner).as_deref() {
                Some("State") if last.ident == "Mutex" || last.ident == "RwLock" => {
                    lock_inside(&last.ident, inner)
                }
                Some("State") => format!("what `State` holds is shared already: write `{}`", written(inner)),
                _ => format!("each call has its own: write `{}`", written(inner)),
            };
            errors.at(ty, message);
        }
    }
}

/// Of a lock around `state`, which belongs into it.
fn lock_inside(lock: &syn::Ident, state: &Type) -> String {
    let inside = super::params::state(state).map(written).unwrap_or_default();
    format!("what handlers share has its lock inside: write `State<{lock}<{inside}>>`")
}

/// The first `impl Trait` in a type, wherever it stands.
pub(crate) fn impl_trait(ty: &Type) -> Option<TokenStream> {
    fn starts(tokens: TokenStream) -> Option<TokenStream> {
        let mut tokens = tokens.into_iter();
        while let Some(token) = tokens.next() {
            match &token {
                TokenTree::Ident(ident) if ident == "impl" => {
                    let next = tokens.next();
                    return Some(quote!(#token #next));
                }
                TokenTree::Group(group) => {
                    if let Some(found) = starts(group.stream()) {
                        return Some(found);
                    }
                }
                _ => {}
            }
        }
        None
    }
    starts(ty.to_token_stream())
}

fn owns_its_inputs(handler: &Handler, errors: &mut Errors) {
    for Param { source, ty } in &handler.params {
        match (source, ty) {
            (Source::Step, _) => {}
            (Source::Type, Type::Path(_)) if is_step(ty) => {
                errors.at(ty, "the step is lent to a handler: write `&TaskSequenceStep`");
            }
            (Source::Type, Type::Reference(reference)) if is_step(&reference.elem) => {
                errors.at(ty, "the step is lent to be read: write `&TaskSequenceStep`");
            }
            (_, Type::Reference(reference)) => {
                let owned = owned(&reference.elem);
                let message = format!(
                    "a handler owns its inputs, only `&TaskSequenceStep` is borrowed: write `{owned}`"
                );
                errors.at(ty, message);
            }
            (Source::Type, _) if lent_state(ty).is_some() => {
                let inner = lent_state(ty).map(owned).unwrap_or_default();
                errors.at(ty, format!("what `State` holds is lent by it already: write `State<{inner}>`"));
            }
            _ if borrows_anything(ty) => {
                let message = "a handler owns its inputs, only `&TaskSequenceStep` is borrowed: write `String` \
                               for `&str` and `Cow<'_, str>`, `Vec<T>` for `&[T]`";
                errors.at(ty, message);
            }
            _ => reads_owned(source, ty, errors),
        }
    }
}

/// What a `State` would borrow.
fn lent_state(ty: &Type) -> Option<&Type> {
    match super::params::state(ty).filter(|_| param::extractor(ty).is_some())? {
        Type::Reference(reference) if reference.lifetime.is_none() => Some(&reference.elem),
        _ => None,
    }
}

/// What is read from JSON borrows nothing of it, as long as that may live elsewhere. State is not read.
fn reads_owned(source: &Source, ty: &Type, errors: &mut Errors) {
    let read = match (source, param::extractor(ty).as_deref()) {
        (Source::Type, Some("Config")) => match ty {
            Type::Path(path) => path.path.segments.last().and_then(only_type),
            _ => None,
        },
        (Source::Type, Some(_)) => None,
        _ => Some(ty),
    };
    let Some(path) = read.and_then(borrowed) else { return };
    let Some(last) = path.path.segments.last() else { return };
    let (name, whole) = (&last.ident, written(&Type::Path(path.clone())));
    let message = format!(
        "what is read from JSON can borrow nothing of it: let `{name}` hold `String` for `&str` and leave the lifetime \
         out, or, where it owns all it holds, take it under a name of its own, `type Owned = {whole};`"
    );
    errors.at(path, message);
}

/// The first type with a lifetime in a type. A `Cow` that is read has a copy of its own.
fn borrowed(ty: &Type) -> Option<&syn::TypePath> {
    let Type::Path(path) = param::ungrouped(ty) else { return None };
    let last = path.path.segments.last()?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
    if last.ident != "Cow"
        && arguments.args.iter().any(|argument| matches!(argument, GenericArgument::Lifetime(_)))
    {
        return Some(path);
    }
    arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::Type(ty) => borrowed(ty),
        _ => None,
    })
}

/// The type that another one holds, where that is one.
fn only_type(segment: &syn::PathSegment) -> Option<&Type> {
    let PathArguments::AngleBracketed(arguments) = &segment.arguments else { return None };
    arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(param::ungrouped(ty)),
        _ => None,
    })
}

/// Whether a type has a reference or a lifetime that is not `'static`. What a function pointer takes is its
/// own.
fn borrows_anything(ty: &Type) -> bool {
    fn any(tokens: TokenStream) -> bool {
        let mut tokens = tokens.into_iter().peekable();
        while let Some(token) = tokens.next() {
            let found = match &token {
                TokenTree::Ident(word) if word == "fn" || word == "for" => return false,
                TokenTree::Punct(sign) if sign.as_char() == '&' => {
                    !matches!(tokens.peek(), Some(TokenTree::Punct(next)) if next.as_char() == '\'')
                }
                TokenTree::Punct(sign) if sign.as_char() == '\'' => {
                    !matches!(tokens.peek(), Some(TokenTree::Ident(name)) if name == "static")
                }
                TokenTree::Group(group) => any(group.stream()),
                _ => false,
            };
            if found {
                return true;
            }
        }
        false
    }
    any(ty.to_token_stream())
}

/// Whether a type has a reference that does not say how long it lives.
pub(crate) fn borrows(ty: &Type) -> bool {
    fn any(tokens: TokenStream) -> bool {
        let mut tokens = tokens.into_iter().peekable();
        while let Some(token) = tokens.next() {
            let found = match &token {
                TokenTree::Punct(sign) if sign.as_char() == '&' => {
                    !matches!(tokens.peek(), Some(TokenTree::Punct(next)) if next.as_char() == '\'')
                }
                TokenTree::Punct(sign) if sign.as_char() == '\'' => {
                    matches!(tokens.peek(), Some(TokenTree::Ident(name)) if name == "_")
                }
                TokenTree::Group(group) => any(group.stream()),
                _ => false,
            };
            if found {
                return true;
            }
        }
        false
    }
    any(ty.to_token_stream())
}

/// What is borrowed from the step does not outlive the call. Where there is nothing to borrow from, the
/// compiler says so.
fn owns_its_output(handler: &Handler, errors: &mut Errors) {
    let returns = handler.returns();
    let lent = handler.params.iter().any(|param| matches!(param.source, Source::Step));
    if lent && borrows(&returns) {
        let message = "a handler owns its output, the step is only lent to it: return `String` for `&str`, \
                       `Vec<T>` for `&[T]`";
        errors.at(returns, message);
    }
}

/// The owned type to take in place of a reference to `ty`.
fn owned(ty: &Type) -> String {
    match ty {
        Type::Path(path) if path.path.is_ident("str") => "String".to_owned(),
        Type::Slice(slice) => format!("Vec<{}>", written(&slice.elem)),
        other => written(other),
    }
}

/// A type as a person would write it, as far as white space goes.
pub(super) fn written(ty: &Type) -> String {
    let mut text = ty.to_token_stream().to_string();
    for (from, to) in [(" :: ", "::"), (":: ", "::"), (" <", "<"), ("< ", "<"), (" >", ">"), (" ,", ",")] {
        text = text.replace(from, to);
    }
    text
}

/// What templates can call it by, where nothing else is said: the rule of the names of steps.
fn has_a_name_for_steps(handler: &Handler, errors: &mut Errors) {
    if handler.options.name.is_some() {
        return;
    }
    let ident = &handler.function.sig.ident;
    if let Err(message) = names::step(&handler.name(), "name") {
        errors.at(ident, format!("{message}: call it something else, here or with `name = \"..\"`"));
    }
}

/// What a step comes after it does not read, and is not itself.
fn comes_after_others(handler: &Handler, errors: &mut Errors) {
    let is_own = |path: &syn::Path| path.get_ident().is_some_and(|ident| *ident == *handler.marker());
    let read = |path: &syn::Path| {
        handler.params.iter().any(|param| matches!(&param.source, Source::Output(other) if other == path))
    };
    for (at, path) in handler.options.after.iter().enumerate() {
        let step = path.to_token_stream().to_string().replace(' ', "");
        let unmarked = path.get_ident().filter(|name| place::is_unmarked(name));
        let message = if let Some(name) = unmarked {
            words::unmarked(name)
        } else if handler.compensates.is_some() {
            "what compensates a step comes after nothing else: take `after` away".to_owned()
        } else if is_own(path) {
            format!("step `{}` cannot come after itself", handler.name())
        } else if read(path) {
            format!("it reads `{step}` and waits for it already: take it out of `after`")
        } else if handler.options.after[..at].contains(path) {
            format!("`{step}` is listed twice: keep one")
        } else {
            continue;
        };
        errors.at(path, message);
    }
}

fn does_not_depend_on_itself(handler: &Handler, errors: &mut Errors) {
    let name = handler.name();
    for Param { source, .. } in &handler.params {
        let itself = match source {
            Source::Output(path) => compensates::is_own(handler, path).then(|| path.to_token_stream()),
            Source::Named(written) => (written.value() == name).then(|| written.to_token_stream()),
            _ => None,
        };
        if let Some(tokens) = itself {
            errors.at(tokens, format!("step `{name}` cannot depend on itself"));
        }
    }
}
