//! How templates may spell the name of a handler.

/// Whether `callable`, as a template writes it, means the handler registered as `name`: the same text,
/// or a Rust path whose last segment is that name once it is in snake case without `Handler`.
pub(crate) fn means(callable: &str, name: &str) -> bool {
    callable == name || short(callable).is_some_and(|short| short == name)
}

/// Whether `callable` calls a handler of this name, in whatever namespace.
pub(crate) fn calls(callable: &str, name: &str) -> bool {
    means(callable, name) || callable.rsplit_once('.').is_some_and(|(_, last)| last == name)
}

/// The last segment of a Rust path in snake case without `Handler`; `None` for what is no path.
///
/// `orders::ProcessOrderHandler` is `process_order`.
pub(crate) fn short(callable: &str) -> Option<String> {
    let (_, last) = callable.rsplit_once("::")?;
    let stem = match last.strip_suffix("Handler") {
        Some(stem) if !stem.is_empty() => stem,
        _ => last,
    };
    let stem = stem.strip_suffix("_handler").unwrap_or(stem);
    Some(snake(stem))
}

/// `HTTPPing2` is `http_ping2`.
fn snake(name: &str) -> String {
    let letters: Vec<char> = name.chars().collect();
    let mut snake = String::with_capacity(name.len() + 4);
    for (index, &letter) in letters.iter().enumerate() {
        let before = index.checked_sub(1).map(|before| letters[before]);
        let starts_word = letter.is_uppercase()
            && before.is_some_and(|before| {
                before != '_'
                    && (!before.is_uppercase()
                        || letters.get(index + 1).is_some_and(|next| next.is_lowercase()))
            });
        if starts_word {
            snake.push('_');
        }
        snake.extend(letter.to_lowercase());
    }
    snake
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rust_path_means_its_last_segment_in_snake_case_without_handler() {
        for (callable, name) in [
            ("crate::module::ProcessOrderHandler", "process_order"),
            ("Module::Handler", "handler"),
            ("steps::charge", "charge"),
            ("steps::HTTPPing2", "http_ping2"),
            ("charge", "charge"),
            ("orders.process", "orders.process"),
        ] {
            assert!(means(callable, name), "{callable}");
        }
        assert!(!means("ProcessOrderHandler", "process_order"), "no path");
        assert!(!means("orders.process", "process"), "no path");
    }
}
