//! Lists of names in messages.

/// `` `a`, `b` or `c` ``.
pub(crate) fn any_of(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
        None => String::new(),
    }
}

/// The name nearest to what was written, where one is near.
pub(crate) fn near<'n>(written: &str, names: &[&'n str]) -> Option<&'n str> {
    tasker_template::nearest(written, names.iter().copied())
}

/// The end of a message about an attribute of parameters that stands elsewhere.
pub(crate) fn at_a_parameter(name: &str) -> String {
    let example = if name == "input" {
        "#[input(\"items.0.sku\")] sku: String"
    } else {
        "#[depends_on(validate)] order: Order"
    };
    format!("belongs to a parameter: `{example}`")
}

/// Of a function where a step is named.
pub(crate) fn unmarked(name: &proc_macro2::Ident) -> String {
    format!("`{name}` is a function and no step: add `#[step_handler]` to it")
}

/// The end of a message about a name that is none of `names`.
pub(crate) fn instead(written: &str, names: &[&str]) -> String {
    match near(written, names) {
        Some(name) => format!("did you mean `{name}`?"),
        None => format!("expected {}", any_of(names)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_miss_is_suggested_and_anything_else_gets_the_list() {
        let names = ["name", "retry", "timeout"];
        assert_eq!(instead("retires", &names), "did you mean `retry`?");
        assert_eq!(instead("tiemout", &names), "did you mean `timeout`?");
        assert_eq!(instead("colour", &names), "expected `name`, `retry` or `timeout`");
    }
}
