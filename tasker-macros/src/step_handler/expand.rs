//! From a handler to code.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{Meta, Type};

use super::check::is_unnamed;
use super::options::Options;
use super::param::Source;
use super::params::{context, inputs, is_one_of, needs, one_context, param_name, params, position, state};
use super::parse::{Function, Handler};
use super::results;
use super::schema;
use super::shape::{self, Shape};
use super::{around, compensates, docs, publishes};
use crate::errors::Errors;
use crate::runtime;

/// The code of a handler that keeps all rules.
///
/// Every constant and every function costs whoever compiles it, so there are as few as will do.
pub(super) fn whole(handler: &Handler) -> TokenStream {
    docs::remember(handler);
    let marker = handler.marker();
    let inside = join([
        Some(alias(&handler.options)),
        handler.method.as_ref().map(|method| method.wrapper(handler)),
        params(handler),
        one_context(handler),
        api(handler),
        Some(step_fn(
            handler,
            &handler.returns(),
            [context(handler), position(handler), inputs(handler)],
            &about(handler),
            &around::within(handler, body(handler)),
        )),
        results::hides_no_error(handler, &how(&handler.returns())),
        shape::items(handler),
        compensates::implement(handler),
        Some(quote!(__tasker::inventory::submit! { __tasker::Linked(__tasker::entry::<#marker>) })),
        unique(handler),
    ]);
    let beside = quote!(const _: () = { #inside };);
    let function = handler.method.is_none().then(|| function(handler));
    join([function, Some(self::marker(handler)), cfgs(handler), lints(handler), Some(beside)])
}

/// One stream of several, which costs less than to put each into the next.
fn join<const N: usize>(parts: [Option<TokenStream>; N]) -> TokenStream {
    parts.into_iter().flatten().collect()
}

/// The code of a handler that breaks a rule: the function and the type beside it, so that whoever
/// names them still can, and the mistakes.
pub(super) fn mistaken(handler: &Handler, errors: &Errors) -> TokenStream {
    let function = handler.method.is_none().then(|| function(handler));
    if handler.function.sig.receiver().is_some() {
        // Inside an `impl` no type can stand beside it.
        let errors = errors.to_tokens();
        return quote!(#function #errors);
    }
    let marker_type = marker(handler);
    let tasker = alias(&handler.options);
    let returns = handler.returns();
    let unnamed = is_unnamed(&returns);
    let (named, errors) = errors.with_a_type(returns, unnamed);
    let unknown = [quote!(__tasker::NoContext), quote!(__tasker::AnyPosition), quote!(())];
    // That it works on batches is known to whoever cuts them, whatever else is wrong.
    let facts = matches!(handler.shape, Shape::Worker).then(|| {
        quote!(
            const FACTS: __tasker::Facts = __tasker::Facts::new().batch_worker().needs(Self::NEEDS);
        )
    });
    let needs = quote! {
        const NEEDS: &'static [__tasker::Need] = &[__tasker::Need::Unknown];
        #facts
    };
    let step_fn = step_fn(handler, &named, unknown, &needs, &quote!(__tasker::never_called()));
    quote! {
        #function
        #marker_type
        const _: () = {
            #tasker
            #step_fn
        };
        #errors
    }
}

/// The function as it was written. That it is async and how many parameters it
/// may have are our rules, so nobody is told to change that.
pub(super) fn function(handler: &Handler) -> TokenStream {
    let Function { attrs, vis, sig, .. } = &handler.function;
    let (docs, body) = (docs::of(handler), shape::body(handler));
    quote!(#(#attrs)* #docs #[allow(clippy::unused_async, clippy::too_many_arguments)] #vis #sig #body)
}

/// The conditions of the function, which hold for all that stands beside it.
pub(super) fn cfgs(handler: &Handler) -> Option<TokenStream> {
    let mut cfgs =
        handler.function.attrs.iter().filter(|attribute| attribute.path().is_ident("cfg")).peekable();
    cfgs.peek()?;
    Some(quote!(#(#cfgs)*))
}

/// What the function allows, the code beside it may do as well: it names the same types. A deprecated
/// handler is still called.
pub(super) fn lints(handler: &Handler) -> Option<TokenStream> {
    let mut allowed = TokenStream::new();
    for attribute in &handler.function.attrs {
        match &attribute.meta {
            Meta::List(list) if list.path.is_ident("allow") || list.path.is_ident("expect") => {
                let lints = &list.tokens;
                allowed.extend(quote!(#[allow(#lints)]));
            }
            meta if meta.path().is_ident("deprecated") => allowed.extend(quote!(#[allow(deprecated)])),
            _ => {}
        }
    }
    (!allowed.is_empty()).then_some(allowed)
}

/// The type beside the function. Its name is the user's, its style is not theirs to answer for.
fn marker(handler: &Handler) -> TokenStream {
    let vis = &handler.function.vis;
    let mut marker = handler.marker().clone();
    marker.set_span(marker.span().resolved_at(Span::call_site()));
    let cfgs = cfgs(handler);
    quote! {
        #cfgs
        #[doc(hidden)]
        #[allow(non_camel_case_types, clippy::exhaustive_structs)]
        #vis struct #marker {}
    }
}

pub(super) fn alias(options: &Options) -> TokenStream {
    let runtime = runtime::path(options.krate.as_ref());
    quote!(use #runtime::__private as __tasker;)
}

/// The API that is called.
fn api(handler: &Handler) -> Option<TokenStream> {
    let api = handler.api.as_ref()?;
    let (marker, name, endpoint) = (handler.marker(), handler.name(), api.endpoint());
    let needs = quote!(<#marker as __tasker::StepFn>::NEEDS);
    let check = quote_spanned!(api.attribute.span()=> const _: () = __tasker::some_api(#name, #needs););
    Some(quote! {
        const __API: &__tasker::Endpoint = &#endpoint;
        impl __tasker::ApiCapable for #marker {
            fn endpoint(&self) -> &'static __tasker::Endpoint {
                __API
            }
        }
        #check
    })
}

/// The call: every parameter in turn, the function, the result.
///
/// What is wrong with a result is shown where its type is written, what is wrong with the future where
/// the function is named.
fn body(handler: &Handler) -> TokenStream {
    let ident = &handler.function.sig.ident;
    let arguments = handler.params.iter().enumerate().map(|(index, param)| match param.source {
        Source::Step => quote!(step),
        Source::Type if handler.api.is_some() => {
            let name = param_name(index);
            quote!(#name.read(&step.with_endpoint(__API))?)
        }
        _ => {
            let name = param_name(index);
            quote!(#name.read(step)?)
        }
    });
    let returns = handler.returns();
    let finish = shape::finish(handler, &how(&returns), &own_error(&returns));
    let run = match handler.shape {
        Shape::Decision(_) | Shape::Choice | Shape::Analyzer(_) | Shape::Looped => quote!(run_with_step),
        Shape::Plain | Shape::Worker => quote!(run),
    };
    // Where the name stands, but with names of the expansion's own: a handler that another macro writes
    // may have its name from elsewhere.
    let place = ident.span().resolved_at(Span::call_site());
    let sharing = sharing(handler);
    if let Some(call) = plain_call(handler) {
        let params = (0..handler.params.len()).map(param_name);
        return quote_spanned!(place=> __tasker::#sharing #call(step, #ident, #(&#params,)* #finish));
    }
    let lent = if handler.params.is_empty() { quote!(_) } else { quote!(step) };
    quote_spanned! {place=>
        __tasker::#sharing #run(step, |#lent| __tasker::Ok(#ident(#(#arguments),*)), #finish)
    }
}

/// Whether the state that a handler takes can be shared, as far as its types say by their form that they are state.
fn sharing(handler: &Handler) -> Option<TokenStream> {
    let import = quote!(
        use __tasker::Fallback as _;
    );
    let states = handler.params.iter().filter(|param| matches!(param.source, Source::Type));
    let shared =
        states.filter_map(|param| state(&param.ty)).map(|state| quote!(__tasker::Shares::<#state>::YES));
    let shared: Vec<TokenStream> = shared.collect();
    (!shared.is_empty()).then(|| quote!(Sharing::<{ #import #(#shared)&&* }>::))
}

/// What calls a function that takes nothing but values that can be read beforehand.
fn plain_call(handler: &Handler) -> Option<Ident> {
    const MOST: usize = 6;
    let plain = handler.api.is_none() && matches!(handler.shape, Shape::Plain | Shape::Worker);
    let lends = handler.params.iter().any(|param| matches!(param.source, Source::Step));
    let count = handler.params.len();
    (plain && !lends && count <= MOST).then(|| format_ident!("call_{count}"))
}

/// Whether a return type is a `Result`: by its form where that is enough, else by asking the type.
pub(crate) fn how(returns: &Type) -> TokenStream {
    match returns {
        _ if is_one_of(returns, &["Result"]) => quote!(__tasker::Fallible),
        Type::Tuple(_) | Type::Array(_) | Type::Reference(_) => quote!(__tasker::Plain),
        _ => quote!(
            __tasker::IsResult<
                {
                    use __tasker::Fallback as _;
                    __tasker::Returned::<__Return>::YES
                },
            >
        ),
    }
}

/// Whether the error of a handler says for itself how a step fails: by its form where that is enough, else
/// by asking the type.
pub(crate) fn own_error(returns: &Type) -> TokenStream {
    let error = match results::arguments(returns) {
        Some((_, error)) => error,
        None => None,
    };
    if error.is_some_and(|error| is_one_of(error, &["StepError"]))
        || matches!(returns, Type::Tuple(_) | Type::Array(_))
    {
        return quote!(true);
    }
    quote!({
        use __tasker::Fallback as _;
        __tasker::OwnError::<__Return>::YES
    })
}

/// What the function gives to those after it, as it returns it when all is well; `how` is what its return type is
/// taken as.
fn output(handler: &Handler, how: &TokenStream) -> TokenStream {
    let plain = quote!(<__Return as __tasker::StepReturn<#how>>::Output);
    match handler.shape {
        Shape::Looped => quote!(<#plain as __tasker::Looping>::Done),
        _ => plain,
    }
}

/// What the parameters need, and what the options and attributes say, where they say anything.
fn about(handler: &Handler) -> TokenStream {
    let Options { namespace, version, description, retry, timeout, queue, concurrency, max_rounds, .. } =
        &handler.options;
    let mut said = Vec::new();
    let mut say = |option: Option<TokenStream>| said.extend(option);
    say(namespace.as_ref().map(|text| quote!(.namespace(#text))));
    say(version.as_ref().map(|text| quote!(.version(#text))));
    say(description.as_ref().map(|text| quote!(.description(#text))));
    say(retry.max_attempts.map(|number| quote!(.attempts(#number))));
    say(retry.backoff.as_ref().map(|word| quote!(.backoff(__tasker::Backoff::#word))));
    say(retry.base.map(|millis| quote!(.base(__tasker::millis(#millis)))));
    say(retry.max.map(|millis| quote!(.max(__tasker::millis(#millis)))));
    say(timeout.map(|millis| quote!(.timeout(__tasker::millis(#millis)))));
    say(queue.as_ref().map(|text| quote!(.queue(#text))));
    say(concurrency.map(|number| quote!(.concurrency(#number))));
    if matches!(handler.shape, Shape::Looped) {
        let most = max_rounds.map_or_else(|| quote!(__tasker::DEFAULT_ROUNDS), |(most, _)| quote!(#most));
        say(Some(quote!(.rounds(#most))));
    }
    say(handler.api.as_ref().map(|_| quote!(.api(__API))));
    say(shape::facts(&handler.shape, &how(&handler.returns())));
    say(compensates::fact(handler));
    say(publishes::fact(handler));
    let output = output(handler, &how(&handler.returns()));
    let schemas = schema::schemas(handler, &output);
    let needs = needs(handler);
    let compensates = handler.compensates.as_ref().map(|_| {
        quote!(
            const COMPENSATES: __tasker::bool = true;
        )
    });
    let needs = quote!(#compensates const NEEDS: &'static [__tasker::Need] = #needs; #schemas);
    if said.is_empty() {
        return needs;
    }
    let said: TokenStream = said.into_iter().collect();
    quote! {
        #needs
        const FACTS: __tasker::Facts = __tasker::Facts::new()#said.needs(Self::NEEDS);
    }
}

pub(super) fn step_fn(
    handler: &Handler,
    returns: &Type,
    [context, position, inputs]: [TokenStream; 3],
    about: &TokenStream,
    body: &TokenStream,
) -> TokenStream {
    let (marker, name, how) = (handler.marker(), handler.name(), how(returns));
    // With the place of the name, so that it is the line of the function and not of the attribute.
    let here = quote_spanned!(handler.function.sig.ident.span()=> __tasker::here());
    let plain = output(handler, &how);
    let output = match handler.shape {
        Shape::Worker => quote!(__tasker::Batches<#plain>),
        _ => plain,
    };
    let namespace = handler.options.namespace.as_ref().map(|text| {
        quote! {
            const NAMESPACE: __tasker::core::option::Option<&'static __tasker::str> =
                __tasker::core::option::Option::Some(#text);
        }
    });
    // Where it is written, since the compiler says there that it is less visible than the handler.
    let output = quote_spanned!(results::output(returns).span()=> type Output = #output;);
    quote! {
        type __Return = #returns;
        impl __tasker::StepFn for #marker {
            const NAME: &'static __tasker::str = #name;
            #namespace
            const PLACE: __tasker::Place = #here;
            #about
            #output
            type Context = #context;
            type Inputs = #inputs;
            type Position = #position;
            fn call(step: &__tasker::TaskSequenceStep) -> __tasker::Call<'_> {
                #body
            }
        }
    }
}

/// A symbol that only one handler of this name can define, so that the linker refuses a second one.
fn unique(handler: &Handler) -> Option<TokenStream> {
    if !cfg!(feature = "unique-names") {
        return None;
    }
    let mut symbol = "two_step_handlers_are_called__".to_owned();
    if let Some(namespace) = &handler.options.namespace {
        symbol.push_str(&namespace.value());
        symbol.push('.');
    }
    let name = handler.name();
    let plain = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '.');
    if handler.options.name.is_none() && name.is_ascii() {
        symbol.push_str(&name);
    } else {
        for letter in name.chars() {
            if plain(letter) {
                symbol.push(letter);
            } else {
                // Linkers read symbols in scripts of their own, where other characters have meanings.
                symbol.push_str(&format!("${:x}$", u32::from(letter)));
            }
        }
    }
    Some(quote! {
        #[unsafe(export_name = #symbol)]
        static __UNIQUE: __tasker::u8 = 0;
    })
}
