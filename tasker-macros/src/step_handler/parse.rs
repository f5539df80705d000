//! From tokens to what is meant by them.

use proc_macro2::{Ident, TokenStream};
use syn::ext::IdentExt as _;
use syn::parse::{Parse, ParseStream};
use syn::spanned::Spanned as _;
use syn::{Attribute, FnArg, ReturnType, Signature, Type, Visibility};

use super::api::{self, Api};
use super::arity;
use super::capability::{self, Capability};
use super::compensates;
use super::methods::Method;
use super::options::{self, Options};
use super::param::{self, Param};
use super::publishes::{self, Publish};
use super::shape::{self, Shape};
use crate::errors::Errors;
use crate::options::Name;
use crate::words;

/// An annotated function and what its attributes say.
pub(super) struct Handler {
    /// The function, without the attributes that are ours.
    pub(super) function: Function,
    /// What stands in `#[step_handler(…)]`.
    pub(super) options: Options,
    /// The capability attributes beside it.
    pub(super) capabilities: Vec<Capability>,
    /// What stands in `#[api(…)]`.
    pub(super) api: Option<Api>,
    /// What they say about its result.
    pub(super) shape: Shape,
    /// What `#[compensates(…)]` names.
    pub(super) compensates: Option<Name>,
    /// What `#[publishes(…)]` says.
    pub(super) publishes: Vec<Publish>,
    /// The parameters, `self` left out.
    pub(super) params: Vec<Param>,
    /// What it is a method of, if it is one.
    pub(super) method: Option<Method>,
}

impl Handler {
    /// The name it is registered under.
    pub(super) fn name(&self) -> String {
        match &self.options.name {
            Some(name) => name.value(),
            None => self.function.sig.ident.unraw().to_string(),
        }
    }

    /// The type beside the function.
    pub(super) fn marker(&self) -> &Ident {
        self.options.marker.as_ref().unwrap_or(&self.function.sig.ident)
    }

    /// The return type as it is written, `()` where none is.
    pub(super) fn returns(&self) -> Type {
        match &self.function.sig.output {
            ReturnType::Type(_, returns) => param::ungrouped(returns).clone(),
            ReturnType::Default => syn::parse_quote_spanned!(self.function.sig.ident.span()=> ()),
        }
    }
}

/// A function whose body stays as it was written, finished or not.
pub(crate) struct Function {
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) vis: Visibility,
    pub(crate) sig: Signature,
    pub(crate) body: TokenStream,
}

impl Parse for Function {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        Ok(Self {
            attrs: input.call(Attribute::parse_outer)?,
            vis: input.parse()?,
            sig: input.parse()?,
            body: input.parse()?,
        })
    }
}

/// Reads a handler; `None` where the item is no function.
pub(super) fn handler(attribute: TokenStream, item: &TokenStream, errors: &mut Errors) -> Option<Handler> {
    let options = options::read(attribute, errors);
    let mut function = match syn::parse2::<Function>(item.clone()) {
        Ok(function) => function,
        Err(error) => {
            errors.push(not_a_function(item).unwrap_or(error));
            return None;
        }
    };
    function.attrs.retain(|attribute| {
        let is_called = |name: &str| attribute.path().segments.last().is_some_and(|last| last.ident == name);
        let (again, is_test) = (is_called("step_handler"), is_called("test"));
        if again {
            errors.at(attribute, "`#[step_handler]` is given twice: keep one, with the options of both");
        }
        if is_test {
            errors.at(
                attribute,
                "a handler is no test: take this away, and call it in one with `testing::run_step`",
            );
        }
        let starts = ["tokio", "async_std", "actix_web", "actix_rt", "smol"];
        let is_main = is_called("main")
            && attribute
                .path()
                .segments
                .first()
                .is_some_and(|first| starts.iter().any(|start| first.ident == start));
        if is_main {
            errors
                .at(attribute, "a handler is called by the engine, in whose runtime it runs: take this away");
        }
        let misplaced = param::KNOWN.into_iter().find(|name| attribute.path().is_ident(name));
        if let Some(name) = misplaced {
            errors.at(attribute, format!("`#[{name}]` {}", words::at_a_parameter(name)));
        }
        !again && !is_test && !is_main && misplaced.is_none()
    });
    let capabilities = capability::take(&mut function.attrs);
    let api = capabilities.iter().find(|capability| capability.name == "api");
    let api = api.map(|capability| api::read(&capability.attribute, errors));
    let inputs = function.sig.inputs.iter_mut().filter_map(|input| match input {
        FnArg::Typed(input) => Some(input),
        FnArg::Receiver(_) => None,
    });
    let params = inputs.map(|input| param::read(input, errors)).collect();
    let shape = shape::read(&capabilities, errors);
    let compensates = compensates::read(&capabilities, errors);
    let publishes = publishes::read(&capabilities, errors);
    let method = None;
    let mut handler =
        Handler { function, options, capabilities, api, shape, compensates, publishes, params, method };
    arity::mend(&mut handler, errors);
    handler.shape = shape::of_type(std::mem::take(&mut handler.shape), &handler.returns());
    Some(handler)
}

/// The mistake of an attribute on something else; `None` where it is a function after all.
fn not_a_function(item: &TokenStream) -> Option<syn::Error> {
    let item: syn::Item = syn::parse2(item.clone()).ok()?;
    if matches!(item, syn::Item::Fn(_)) {
        return None;
    }
    let message = match item {
        syn::Item::Impl(_) => {
            "`#[step_handler]` goes on each method that is a handler, `#[step_handlers]` on the `impl`"
        }
        _ => "`#[step_handler]` goes on an `async fn`",
    };
    Some(syn::Error::new(item.span(), message))
}
