//! What the attributes say, and the rules they keep.

use heck::ToSnakeCase as _;
use proc_macro2::{Ident, TokenStream};
use syn::ext::IdentExt as _;
use syn::{Expr, ExprField, Item, Meta, Path};
use tasker_template::{DURATION_FORM, LONGEST_WAIT_MS, duration_ms};

use crate::errors::Errors;
use crate::{names, options};

/// Which of the two it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Signal,
    Timer,
}

/// A step that waits.
pub(super) struct Wait {
    pub(super) kind: Kind,
    pub(super) ident: Ident,
    /// The name of its step, and of the signal.
    pub(super) name: String,
    /// The name of the signal, where that is another one.
    pub(super) signal: Option<String>,
    pub(super) krate: Option<Path>,
    /// The steps it comes after.
    pub(super) after: Vec<Path>,
    /// In milliseconds: the delay of a timer, the timeout of a signal.
    pub(super) millis: Option<u64>,
    pub(super) on_timeout: OnTimeout,
    pub(super) until: Option<Until>,
}

/// What becomes of a signal that has not come in time.
pub(super) enum OnTimeout {
    Fail,
    Skip,
    Default(Box<Expr>),
}

/// Where a timer finds its time.
pub(super) enum Until {
    /// In the context, as `$.remind_at`.
    Context(String),
    /// In a field of what a step returns.
    Result(Path, String),
}

impl Kind {
    fn attribute(self) -> &'static str {
        match self {
            Self::Signal => "`#[signal]`",
            Self::Timer => "`#[timer]`",
        }
    }

    fn example(self) -> &'static str {
        match self {
            Self::Signal => "#[signal] pub struct Approval { by: String }",
            Self::Timer => "#[timer(delay = \"2d\")] pub struct TwoDays;",
        }
    }

    fn known(self) -> &'static [&'static str] {
        match self {
            Self::Signal => &["after", "name", "signal", "timeout", "on_timeout", "default", "crate"],
            Self::Timer => &["after", "name", "delay", "until", "crate"],
        }
    }
}

/// Reads a type with one of the attributes; `None` where it is something else.
pub(super) fn wait(
    kind: Kind,
    attribute: TokenStream,
    item: &TokenStream,
    errors: &mut Errors,
) -> Option<Wait> {
    let owner = kind.attribute();
    let (ident, generics) = match errors.take(syn::parse2::<Item>(item.clone()))? {
        Item::Struct(item) => {
            if kind == Kind::Timer && !item.fields.is_empty() {
                let message =
                    "nobody makes a value of a timer: who reads it takes a `TimerEnd`, leave the fields out";
                errors.at(&item.fields, message);
            }
            (item.ident, item.generics)
        }
        Item::Enum(item) => {
            if kind == Kind::Timer {
                errors.at(item.enum_token, format!("{owner} belongs on a struct: `{}`", kind.example()));
            }
            (item.ident, item.generics)
        }
        Item::Fn(function) => {
            let message = format!("{owner} belongs on a type, since nothing is called: `{}`", kind.example());
            errors.at(function.sig.fn_token, message);
            return None;
        }
        other => {
            errors.at(other, format!("{owner} belongs on a struct: `{}`", kind.example()));
            return None;
        }
    };
    if !generics.params.is_empty() {
        errors.at(&generics, format!("a type with {owner} cannot be generic: it is one step"));
        return None;
    }
    let mut wait = Wait {
        kind,
        name: ident.unraw().to_string().to_snake_case(),
        ident,
        signal: None,
        krate: None,
        after: Vec::new(),
        millis: None,
        on_timeout: OnTimeout::Fail,
        until: None,
    };
    let mut timeouts: Vec<Meta> = Vec::new();
    for (key, meta) in options::read(owner, attribute, kind.known(), errors) {
        match &*key {
            "after" => wait.after.extend(errors.take(options::after(&meta)).into_iter().flatten()),
            "name" => wait.name = errors.take(name(&meta)).unwrap_or(wait.name),
            "signal" => wait.signal = errors.take(name(&meta)),
            "crate" => wait.krate = errors.take(options::path(&meta, "crate = my_crate::tasker_runtime")),
            "delay" | "timeout" => wait.millis = errors.take(duration(&meta, &key)),
            "until" => wait.until = errors.take(until(&meta)),
            "on_timeout" => {
                wait.on_timeout = errors.take(on_timeout(&meta)).unwrap_or(OnTimeout::Fail);
                timeouts.push(meta);
            }
            _ => {
                let value = options::value(&meta, "default = Approval { approved: false }").cloned();
                wait.on_timeout =
                    errors.take(value).map_or(OnTimeout::Fail, |value| OnTimeout::Default(Box::new(value)));
                timeouts.push(meta);
            }
        }
    }
    check(&mut wait, &timeouts, errors);
    Some(wait)
}

fn check(wait: &mut Wait, timeouts: &[Meta], errors: &mut Errors) {
    if let [_, second] = timeouts {
        errors.at(second, "`on_timeout` and `default` say the same thing twice: keep one");
    }
    if let Some(first) = timeouts.first().filter(|_| wait.millis.is_none() && errors.is_empty()) {
        errors.at(first, "without a `timeout` the signal is waited for for ever: add `timeout = \"3d\"`");
    }
    if wait.kind == Kind::Signal || !errors.is_empty() {
        return;
    }
    match (&wait.millis, &wait.until) {
        (None, None) => errors.at(
            &wait.ident,
            "a timer says when it is over: `#[timer(delay = \"2d\")]` or `#[timer(until = \"$.remind_at\")]`",
        ),
        (Some(_), Some(_)) => {
            errors.at(&wait.ident, "a timer has a `delay` or a point in time, `until`, not both");
        }
        _ => {}
    }
    if let Some(Until::Result(step, _)) = &wait.until {
        wait.after.push(step.clone());
    }
}

fn name(meta: &Meta) -> syn::Result<String> {
    let name = options::filled(meta, "name = \"approval\"")?;
    names::step(&name.value(), "name").map_err(|message| syn::Error::new_spanned(&name, message))?;
    Ok(name.value())
}

fn duration(meta: &Meta, key: &str) -> syn::Result<u64> {
    let example = format!("{key} = \"3d\"");
    let text = options::text(meta, &example)?;
    match duration_ms(&text.value()) {
        Some(millis @ 1..=LONGEST_WAIT_MS) => Ok(millis),
        Some(_) => Err(syn::Error::new_spanned(&text, "a wait is from 1ms to ten years")),
        None => {
            let message = format!("`{}` is not a duration: {DURATION_FORM}", text.value());
            Err(syn::Error::new_spanned(&text, message))
        }
    }
}

fn on_timeout(meta: &Meta) -> syn::Result<OnTimeout> {
    let text = options::text(meta, "on_timeout = \"skip\"")?;
    match &*text.value() {
        "fail" => Ok(OnTimeout::Fail),
        "skip" => Ok(OnTimeout::Skip),
        _ => {
            let message =
                "`on_timeout` is \"fail\" or \"skip\"; a result of its own is given with `default = …`";
            Err(syn::Error::new_spanned(text, message))
        }
    }
}

/// `until = "$.remind_at"` or `until = invite.due`.
fn until(meta: &Meta) -> syn::Result<Until> {
    const EXAMPLE: &str = "write `until = \"$.remind_at\"` for a field of the context, or `until = invite.due` for one \
                           of what `invite` returns";
    let wrong = |tokens: &dyn quote::ToTokens| {
        Err(syn::Error::new_spanned(quote::ToTokens::to_token_stream(tokens), EXAMPLE))
    };
    match options::value(meta, "until = \"$.remind_at\"")? {
        Expr::Lit(literal) => {
            let text = options::text(meta, "until = \"$.remind_at\"")?;
            match tasker_template::Source::parse(&text.value(), []) {
                Some(_) => Ok(Until::Context(text.value())),
                None => wrong(literal),
            }
        }
        Expr::Field(field) => match fields(field) {
            Some((step, path)) => Ok(Until::Result(step, path.join("."))),
            None => wrong(field),
        },
        Expr::Path(path) => Ok(Until::Result(path.path.clone(), String::new())),
        other => wrong(other),
    }
}

/// The step and the names of the fields in `invite.due.at`.
fn fields(field: &ExprField) -> Option<(Path, Vec<String>)> {
    let syn::Member::Named(name) = &field.member else { return None };
    let (step, mut path) = match &*field.base {
        Expr::Path(step) => (step.path.clone(), Vec::new()),
        Expr::Field(inner) => fields(inner)?,
        _ => return None,
    };
    path.push(name.unraw().to_string());
    Some((step, path))
}
