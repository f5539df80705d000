//! From tokens to the file and the handlers that are meant.

use proc_macro2::{Ident, TokenStream};
use syn::parse::{Parse, ParseStream};
use syn::{Attribute, Expr, LitStr, Meta, Path, Token, Visibility};

use crate::errors::Errors;
use crate::options;

const KNOWN: [&str; 3] = ["handlers", "marker", "crate"];

const FORM: &str = "write `template!(\"config/tasks/shop/checkout.yaml\", handlers = crate::steps)`";

/// What stands in the macro.
pub(super) struct Input {
    pub(super) attrs: Vec<Attribute>,
    pub(super) vis: Visibility,
    /// The name of the constant, where one is wanted.
    pub(super) ident: Option<Ident>,
    /// From the directory of the package.
    pub(super) path: LitStr,
    pub(super) handlers: Handlers,
    /// The type behind the name, where that is taken.
    pub(super) marker: Option<Ident>,
    pub(super) krate: Option<Path>,
}

/// Where the handlers are.
pub(super) enum Handlers {
    /// Functions of this module, by their own names.
    Module(Path),
    /// These, by the names they are registered under.
    List(Vec<Path>),
}

struct Tokens {
    attrs: Vec<Attribute>,
    vis: Visibility,
    ident: Option<Ident>,
    path: LitStr,
    options: TokenStream,
}

impl Parse for Tokens {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let attrs = input.call(Attribute::parse_outer)?;
        let vis = input.parse()?;
        let ident = if input.peek(syn::Ident) && input.peek2(Token![=]) {
            let ident = input.parse()?;
            input.parse::<Token![=]>()?;
            Some(ident)
        } else {
            None
        };
        let path = input.parse().map_err(|error| {
            syn::Error::new(error.span(), format!("a template comes from a file: {FORM}"))
        })?;
        if !input.is_empty() {
            input.parse::<Token![,]>()?;
        }
        Ok(Self { attrs, vis, ident, path, options: input.parse()? })
    }
}

/// Reads the macro; `None` where the form is another.
pub(super) fn input(input: TokenStream, errors: &mut Errors) -> Option<Input> {
    let Tokens { attrs, vis, ident, path, options } = errors.take(syn::parse2(input))?;
    let (mut handlers, mut marker, mut krate) = (None, None, None);
    let mut own = Errors::default();
    for (key, meta) in options::read("`template!`", options, &KNOWN, &mut own) {
        match key.as_str() {
            "handlers" => handlers = own.take(self::handlers(&meta)),
            "marker" => marker = own.take(options::ident(&meta, "marker = CheckoutWorkflow")),
            _ => krate = own.take(options::path(&meta, "crate = my_crate::tasker_runtime")),
        }
    }
    if handlers.is_none() && own.is_empty() {
        own.at(&path, format!("a template needs the module of its handlers: {FORM}"));
    }
    let good = own.is_empty();
    errors.extend(own);
    handlers.filter(|_| good).map(|handlers| Input { attrs, vis, ident, path, handlers, marker, krate })
}

/// A module, or a list of handlers in brackets.
fn handlers(meta: &Meta) -> syn::Result<Handlers> {
    const EXAMPLE: &str = "handlers = crate::steps` or `handlers = [validate, charge]";
    match options::value(meta, EXAMPLE)? {
        Expr::Path(path) if path.qself.is_none() => Ok(Handlers::Module(path.path.clone())),
        Expr::Array(list) => {
            let paths = list.elems.iter().map(|element| match element {
                Expr::Path(path) if path.qself.is_none() => Ok(path.path.clone()),
                other => Err(syn::Error::new_spanned(other, "expected the path of a handler")),
            });
            paths.collect::<syn::Result<_>>().map(Handlers::List)
        }
        other => Err(syn::Error::new_spanned(other, format!("expected a module or a list: `{EXAMPLE}`"))),
    }
}
