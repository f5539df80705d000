//! What the attribute says, and the rules it keeps.

use proc_macro2::TokenStream;
use syn::ext::IdentExt as _;
use syn::{Expr, GenericArgument, ItemFn, LitStr, Meta, Path, PathArguments, ReturnType, Type};

use crate::errors::Errors;
use crate::{names, options};

const OWNER: &str = "`#[child_workflow]`";

const KNOWN: [&str; 16] = [
    "run",
    "returns",
    "name",
    "each",
    "parallelism",
    "on_failure",
    "cascade",
    "namespace",
    "description",
    "retry",
    "timeout",
    "queue",
    "concurrency",
    "around",
    "errors",
    "crate",
];

const RETURNS: &str = "write what one task comes to: `returns = Receipt`";

const RUN: &str = "say which workflow it starts: `#[child_workflow(run = checkout)]`";

/// A step that starts tasks of another workflow.
pub(super) struct Child {
    /// The function that makes their contexts.
    pub(super) function: ItemFn,
    pub(super) run: Option<Run>,
    /// The name of the step.
    pub(super) name: String,
    /// The type of one context; `None`: not known.
    pub(super) context: Option<Type>,
    /// What each task comes to, where that is said.
    pub(super) returns: Option<Type>,
    /// The function returns a list, and each item starts a task.
    pub(super) each: bool,
    pub(super) parallelism: Option<u32>,
    pub(super) collect: bool,
    pub(super) cascade: bool,
    /// What is said of the calls of the function.
    pub(super) of_calls: Vec<Meta>,
    pub(super) krate: Option<Path>,
}

/// The workflow that is started.
pub(super) enum Run {
    /// One of this program, by the name of its type.
    Type(Path),
    /// One that is known by name alone.
    Name(LitStr),
}

/// Reads a function with the attribute; `None` where it is something else.
pub(super) fn child(attribute: TokenStream, item: &TokenStream, errors: &mut Errors) -> Option<Child> {
    let Ok(function) = syn::parse2::<ItemFn>(item.clone()) else {
        let message = format!(
            "{OWNER} belongs on an async fn that makes the context of each task: `#[child_workflow(run = checkout)] async fn buy(order: Order) -> Order`"
        );
        errors.at(item, message);
        return None;
    };
    let mut child = Child {
        name: function.sig.ident.unraw().to_string(),
        run: None,
        context: None,
        returns: None,
        each: false,
        parallelism: None,
        collect: false,
        cascade: true,
        of_calls: Vec::new(),
        krate: None,
        function,
    };
    let mut each = None;
    let (attribute, of_one) = options::without_type(attribute, "returns");
    child.returns = of_one.and_then(|tokens| errors.take(returns(tokens)));
    for (key, meta) in options::read(OWNER, attribute, &KNOWN, errors) {
        match &*key {
            "run" => child.run = errors.take(run(&meta)),
            "name" => child.name = errors.take(name(&meta)).unwrap_or(child.name),
            "returns" => errors.at(&meta, RETURNS),
            "each" => each = errors.take(boolean(&meta, "each = false")),
            "cascade" => child.cascade = errors.take(boolean(&meta, "cascade = false")).unwrap_or(true),
            "parallelism" => {
                let most = options::number(&meta, "parallelism = 8", 1..=10_000);
                child.parallelism = errors.take(most);
            }
            "on_failure" => child.collect = errors.take(collects(&meta)).unwrap_or_default(),
            "crate" => child.krate = errors.take(options::path(&meta, "crate = my_crate::tasker_runtime")),
            _ => child.of_calls.push(meta),
        }
    }
    if child.run.is_none() && errors.is_empty() {
        errors.at(&child.function.sig.ident, RUN);
    }
    let Some(returned) = returned(&child.function.sig.output) else {
        let message =
            "it returns the context of the task that it starts, or a `Vec` with one for each of several";
        errors.at(&child.function.sig.ident, message);
        return Some(child);
    };
    let item = argument(&returned, "Vec");
    child.each = each.unwrap_or(item.is_some());
    child.context = if child.each { item } else { Some(returned) };
    if child.each && child.context.is_none() && errors.is_empty() {
        errors.at(
            &child.function.sig.output,
            "with `each = true` it returns a `Vec` with a context for each task",
        );
    }
    if let (false, Some(_)) = (child.each, child.parallelism) {
        errors.at(
            &child.function.sig.ident,
            "`parallelism` needs several tasks: return a `Vec`, or take it away",
        );
    }
    Some(child)
}

/// `run = checkout` or `run = "shop/checkout"`.
fn run(meta: &Meta) -> syn::Result<Run> {
    match options::value(meta, "run = checkout")? {
        Expr::Path(path) if path.qself.is_none() => Ok(Run::Type(path.path.clone())),
        Expr::Lit(_) => {
            let text = options::filled(meta, "run = \"shop/checkout\"")?;
            let parts: Vec<String> = text.value().split('/').map(str::to_owned).collect();
            let good = |part: &String| names::template(part, "run").is_ok();
            if parts.len() <= 2 && parts.iter().all(good) {
                return Ok(Run::Name(text));
            }
            let message = "a workflow is named as `namespace/name`, or by its name alone where it has the same namespace";
            Err(syn::Error::new_spanned(text, message))
        }
        other => Err(syn::Error::new_spanned(other, RUN)),
    }
}

/// The type after `returns =`.
fn returns(tokens: TokenStream) -> syn::Result<Type> {
    match syn::parse2(tokens.clone()) {
        Ok(ty @ (Type::Path(_) | Type::Tuple(_) | Type::Array(_) | Type::Group(_))) => Ok(ty),
        _ if tokens.is_empty() => Err(syn::Error::new(proc_macro2::Span::call_site(), RETURNS)),
        _ => Err(syn::Error::new_spanned(tokens, RETURNS)),
    }
}

fn name(meta: &Meta) -> syn::Result<String> {
    let name = options::filled(meta, "name = \"orders\"")?;
    names::step(&name.value(), "name").map_err(|message| syn::Error::new_spanned(&name, message))?;
    Ok(name.value())
}

fn boolean(meta: &Meta, example: &str) -> syn::Result<bool> {
    match options::value(meta, example)? {
        Expr::Lit(syn::ExprLit { lit: syn::Lit::Bool(value), .. }) => Ok(value.value),
        other => Err(syn::Error::new_spanned(other, format!("write `true` or `false`: `{example}`"))),
    }
}

fn collects(meta: &Meta) -> syn::Result<bool> {
    let text = options::text(meta, "on_failure = \"collect\"")?;
    match &*text.value() {
        "fail" => Ok(false),
        "collect" => Ok(true),
        _ => Err(syn::Error::new_spanned(text, "`on_failure` is \"fail\" or \"collect\"")),
    }
}

/// What the function returns when all is well; `None`: nothing.
fn returned(output: &ReturnType) -> Option<Type> {
    let ReturnType::Type(_, ty) = output else { return None };
    Some(argument(ty, "Result").unwrap_or_else(|| Type::clone(ty)))
}

/// The first argument of the type of this name, where `ty` is one.
fn argument(ty: &Type, name: &str) -> Option<Type> {
    let Type::Path(path) = ty else { return None };
    let last = path.path.segments.last().filter(|last| last.ident == name)?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
    arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty.clone()),
        _ => None,
    })
}
