//! What a handler says about itself in the docs of its crate.

use proc_macro2::TokenStream;
use quote::{ToTokens as _, quote};

use super::check::written;
use super::options::Retry;
use super::param::{Default, Param, Source};
use super::parse::Handler;
use super::shape::Shape;
use crate::graph;
use crate::options::Name;

/// A table that follows what the user wrote: what the step is called, what it reads, and what its options say.
pub(super) fn of(handler: &Handler) -> TokenStream {
    let options = &handler.options;
    let name = match &options.namespace {
        Some(namespace) => format!("{}.{}", namespace.value(), handler.name()),
        None => handler.name(),
    };
    let what = if handler.compensates.is_some() { "compensation" } else { "step" };
    let mut table = format!("\n| {what} | `{name}` |\n|---|---|\n");
    let mut row = |key: &str, value: String| {
        table.push_str("| ");
        table.push_str(key);
        table.push_str(" | ");
        table.push_str(&value);
        table.push_str(" |\n");
    };
    match &handler.compensates {
        Some(Name::Path(path)) => row("undoes", code(&tight(path.to_token_stream()))),
        Some(Name::Text(text)) => row("undoes", code(&text.value())),
        None => {}
    }
    let reads: Vec<String> = handler.params.iter().filter_map(read).collect();
    row("reads", if reads.is_empty() { "nothing".to_owned() } else { reads.join(", ") });
    if !options.after.is_empty() {
        let after: Vec<String> =
            options.after.iter().map(|path| code(&tight(path.to_token_stream()))).collect();
        row("comes after", after.join(", "));
    }
    if let Some((key, value)) = shape(&handler.shape) {
        row(key, value);
    }
    if let Some(retry) = retry(&options.retry) {
        row("retry", retry);
    }
    if let Some(millis) = options.timeout {
        row("timeout", format!("{} for each attempt", duration(millis)));
    }
    if let Some(queue) = &options.queue {
        row("queue", code(&queue.value()));
    }
    if let Some(calls) = options.concurrency {
        row("concurrency", format!("{calls} at once in one process"));
    }
    if let Some(version) = &options.version {
        row("version", version.value());
    }
    quote!(#[doc = #table])
}

/// Remembers what the graph of a workflow needs.
pub(super) fn remember(handler: &Handler) {
    let mut known = graph::Known::of(&handler.params);
    known.reads.extend(handler.options.after.iter().filter_map(graph::last));
    match &handler.shape {
        Shape::Decision(routes) => known.releases.extend(routes.iter().filter_map(graph::last)),
        Shape::Analyzer(worker) => known.releases.extend(worker.iter().filter_map(graph::last)),
        Shape::Choice => known.types.extend(graph::name_of(super::results::output(&handler.returns()))),
        Shape::Plain | Shape::Worker | Shape::Looped => {}
    }
    graph::remember(syn::ext::IdentExt::unraw(handler.marker()).to_string(), known);
}

fn code(text: &str) -> String {
    format!("`{}`", text.replace('|', "\\|"))
}

fn tight(tokens: TokenStream) -> String {
    tokens.to_string().replace(' ', "")
}

fn read(param: &Param) -> Option<String> {
    let ty = code(&written(&param.ty));
    Some(match &param.source {
        Source::Type => ty,
        Source::Output(path) => format!("{ty} of {}", code(&tight(path.to_token_stream()))),
        Source::Named(name) => format!("{ty} of {}", code(&name.value())),
        Source::Field { path, default } => {
            let field = format!("{ty} at {}", code(&path.value()));
            match default {
                None => field,
                Some(Default::OfType(_)) => format!("{field} or its default"),
                Some(Default::Value(value)) => {
                    format!("{field} or {}", code(&value.to_token_stream().to_string()))
                }
            }
        }
        Source::Step => "the step itself".to_owned(),
        Source::Mistaken => return None,
    })
}

fn shape(shape: &Shape) -> Option<(&'static str, String)> {
    let list = |paths: &[syn::Path]| {
        let names: Vec<String> = paths.iter().map(|path| code(&tight(path.to_token_stream()))).collect();
        names.join(", ")
    };
    match shape {
        Shape::Decision(routes) => Some(("routes to", list(routes))),
        Shape::Analyzer(Some(worker)) => Some(("cuts batches for", list(std::slice::from_ref(worker)))),
        Shape::Choice => Some(("routes to", "what its type says".to_owned())),
        Shape::Worker => Some(("is called for", "each batch".to_owned())),
        Shape::Looped => Some(("goes", "round after round, until it is done".to_owned())),
        Shape::Plain | Shape::Analyzer(None) => None,
    }
}

fn retry(retry: &Retry) -> Option<String> {
    let mut said = Vec::new();
    match retry.max_attempts {
        Some(1) => said.push("one attempt".to_owned()),
        Some(attempts) => said.push(format!("{attempts} attempts in all")),
        None => {}
    }
    if let Some(backoff) = &retry.backoff {
        said.push(match backoff.to_string().to_lowercase().as_str() {
            "none" => "always the same delay".to_owned(),
            growing => format!("{growing} delays"),
        });
    }
    said.extend(retry.base.map(|millis| format!("{} after the first one", duration(millis))));
    said.extend(retry.max.map(|millis| format!("at most {}", duration(millis))));
    (!said.is_empty()).then(|| said.join(", "))
}

/// As it could be written in an option.
fn duration(millis: u64) -> String {
    const UNITS: [(u64, &str); 4] = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s")];
    let (mut rest, mut text) = (millis, String::new());
    for (factor, unit) in UNITS {
        if rest >= factor {
            text.push_str(&format!("{}{unit}", rest / factor));
            rest %= factor;
        }
    }
    if rest > 0 || text.is_empty() {
        text.push_str(&format!("{rest}ms"));
    }
    text
}

#[cfg(test)]
#[allow(clippy::panic)]
mod tests {
    use quote::quote;

    use super::{duration, of};
    use crate::errors::Errors;
    use crate::step_handler::parse;

    fn docs(attribute: proc_macro2::TokenStream, item: proc_macro2::TokenStream) -> String {
        let mut errors = Errors::default();
        let handler = parse::handler(attribute, &item, &mut errors).unwrap_or_else(|| panic!("no handler"));
        assert!(errors.is_empty());
        let attribute: syn::ItemStruct = {
            let docs = of(&handler);
            syn::parse_quote!(#docs struct Documented;)
        };
        let syn::Meta::NameValue(pair) = &attribute.attrs[0].meta else { panic!("no docs") };
        let syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. }) = &pair.value else {
            panic!("no text")
        };
        text.value()
    }

    #[test]
    fn handler_says_what_it_is_and_what_its_options_say() {
        assert_eq!(
            docs(
                quote!(),
                quote!(
                    async fn plain() {}
                )
            ),
            "\n| step | `plain` |\n|---|---|\n| reads | nothing |\n"
        );
        let attribute = quote!(
            namespace = "shop",
            name = "take_money",
            retry(max_attempts = 5, backoff = "exponential", base = "200ms", max = "30s"),
            timeout = "90s",
            queue = "slow",
            concurrency = 4,
            version = "1.2.0"
        );
        let item = quote!(
            #[decision(routes = [a, steps::b])]
            async fn charge(
                #[depends_on(steps::validate)] valid: Valid,
                #[depends_on("stock")] stock: Option<Vec<u64>>,
                #[input("items.0.sku", default = "none")] sku: String,
                #[input("count", default)] count: u64,
                pool: State<Pool>,
                step: &TaskSequenceStep,
            ) {
            }
        );
        let table = "
| step | `shop.take_money` |
|---|---|
| reads | `Valid` of `steps::validate`, `Option<Vec<u64>>` of `stock`, `String` at `items.0.sku` or `\"none\"`, `u64` at `count` or its default, `State<Pool>`, the step itself |
| routes to | `a`, `steps::b` |
| retry | 5 attempts in all, exponential delays, 200ms after the first one, at most 30s |
| timeout | 1m30s for each attempt |
| queue | `slow` |
| concurrency | 4 at once in one process |
| version | 1.2.0 |
";
        assert_eq!(docs(attribute, item), table);
        let item = quote!(
            #[compensates(charge)]
            async fn refund(#[depends_on(charge)] cents: u64) {}
        );
        let table = "\n| compensation | `refund` |\n|---|---|\n| undoes | `charge` |\n| reads | `u64` of `charge` |\n";
        assert_eq!(docs(quote!(), item), table);
    }

    #[test]
    fn duration_is_written_as_an_option_would_have_it() {
        for (millis, text) in
            [(0, "0ms"), (200, "200ms"), (30_000, "30s"), (5_400_000, "1h30m"), (86_400_500, "1d500ms")]
        {
            assert_eq!(duration(millis), text);
            assert_eq!(crate::duration::parse(text), Ok(millis));
        }
    }
}
