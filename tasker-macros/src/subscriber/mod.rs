//! `#[event_subscriber]`: parse, check, expand.

mod expand;
mod parse;

use proc_macro2::TokenStream;

use crate::errors::Errors;

/// Expands the attribute.
///
/// Whatever is wrong, the function and the type beside it stay, so that nothing else breaks.
pub(crate) fn event_subscriber(attribute: TokenStream, item: &TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let Some(subscriber) = parse::subscriber(attribute, item, &mut errors) else {
        let errors = errors.to_tokens();
        return quote::quote!(#item #errors);
    };
    if errors.is_empty() { expand::whole(&subscriber) } else { expand::mistaken(&subscriber, &errors) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// What the attribute says of a function.
    fn said(attribute: &str, item: &str) -> Vec<String> {
        let code = event_subscriber(attribute.parse().unwrap(), &item.parse().unwrap()).to_string();
        let messages = code.split("compile_error").skip(1);
        messages.filter_map(|rest| Some(rest.split('"').nth(1)?.to_owned())).collect()
    }

    const HEARS: &str = "async fn hears(event: Event<Json>) {}";

    #[test]
    fn right_ones_have_no_mistakes() {
        for attribute in [
            r#""payment.*""#,
            r#""a", "b.*", name = "x", concurrency = 2, retry(max_attempts = 3, base = "1s"), timeout = "5s""#,
            r#""a", from = "start", ordered = false, namespaces = ["shop", "billing"], delivery = "durable""#,
            r#""a", delivery = "fast", concurrency = 2, timeout = "5s""#,
        ] {
            assert_eq!(said(attribute, HEARS), [""; 0], "{attribute}");
        }
    }

    #[test]
    fn each_mistake_is_told_once() {
        for (attribute, item, word) in [
            ("", HEARS, "say which events it hears"),
            (r#""a.**""#, HEARS, "is not a pattern of events"),
            (r#""a", "a""#, HEARS, "the pattern `a` is given twice"),
            (r#""a", retries = 3"#, HEARS, "has no option `retries`"),
            (r#""a", delivery = "durabel""#, HEARS, "did you mean `durable`?"),
            (r#""a", from = "end""#, HEARS, "`from` cannot be `end`"),
            (r#""a", delivery = "fast", retry = 3"#, HEARS, "leave out `retry`"),
            (r#""a", ordered = "no""#, HEARS, "expected true or false"),
            (r#""a", namespaces = "shop""#, HEARS, "expected a list of names"),
            (r#""a", namespaces = []"#, HEARS, "without a namespace it hears nothing"),
            (r#""a", concurrency = 0"#, HEARS, "expected a number from 1 to 10000"),
            (r#""a", timeout = "0s""#, HEARS, "a timeout is longer than nothing"),
            (r#""a""#, "fn hears(event: Event<Json>) {}", "write `async fn hears`"),
            (r#""a""#, "async fn hears<T>(event: Event<T>) {}", "cannot be generic"),
            (r#""a""#, "async fn hears(event: &Event<Json>) {}", "leave out the reference"),
            (r#""a""#, "async fn hears(#[depends_on(a)] event: Event<Json>) {}", "reads no steps"),
            (r#""a""#, "#[step_handler] async fn hears() {}", "is a step or hears events"),
            (r#""a""#, "async fn hears(&self) {}", "has no `self`"),
            (r#""a""#, "struct Hears;", "goes on an `async fn`"),
        ] {
            let said = said(attribute, item);
            assert!(said.len() == 1 && said[0].contains(word), "{attribute} {item}: {said:?}");
        }
    }
}
