//! Names that packages, functions and templates can have.

/// Words that are no identifiers, and names that mean something else in a crate.
const TAKEN: &[&str] = &[
    "abstract",
    "alloc",
    "as",
    "async",
    "await",
    "become",
    "box",
    "break",
    "const",
    "continue",
    "core",
    "crate",
    "do",
    "dyn",
    "else",
    "enum",
    "extern",
    "false",
    "final",
    "fn",
    "for",
    "gen",
    "if",
    "impl",
    "in",
    "let",
    "loop",
    "macro",
    "match",
    "mod",
    "move",
    "mut",
    "override",
    "priv",
    "proc_macro",
    "pub",
    "ref",
    "return",
    "self",
    "static",
    "std",
    "struct",
    "super",
    "tasker_runtime",
    "test",
    "trait",
    "true",
    "try",
    "type",
    "typeof",
    "unsafe",
    "unsized",
    "use",
    "virtual",
    "where",
    "while",
    "yield",
];

/// A name for a package, as near to that of its directory as can be.
pub(super) fn package(directory: &str) -> String {
    let letter = |letter: char| match letter.to_ascii_lowercase() {
        letter if letter.is_ascii_alphanumeric() || letter == '_' => letter,
        _ => '-',
    };
    let name: String = directory.chars().map(letter).collect();
    let name = name.trim_matches('-');
    let is_dependency = matches!(name, "serde" | "tokio");
    match name.chars().next() {
        None => "workflows".to_owned(),
        Some(first) if first.is_ascii_digit() => format!("workflows-{name}"),
        Some(_) if is_dependency || TAKEN.contains(&&*name.replace('-', "_")) => format!("{name}-workflows"),
        Some(_) => name.to_owned(),
    }
}

/// Refuses what cannot be the name of a function, with a name that can.
pub(super) fn of_handler(name: &str) -> Result<(), String> {
    if TAKEN.contains(&name) {
        return Err(format!("`{name}` means something in Rust: write `{name}_step` or another name"));
    }
    of_template(name)
}

/// Refuses what is no snake case, with what would be.
pub(super) fn of_template(name: &str) -> Result<(), String> {
    let letter = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_';
    let starts = name.starts_with(|first: char| first.is_ascii_lowercase() || first == '_');
    if starts && name.chars().all(letter) && name.chars().any(|letter| letter != '_') {
        return Ok(());
    }
    let better = snake(name);
    let instead = if better.is_empty() { String::new() } else { format!(": write `{better}`") };
    Err(format!("a name has only a-z, 0-9 and _ and begins with a letter, and this is `{name}`{instead}"))
}

/// `ChargeCard` and `charge-card` as `charge_card`; nothing where no letter is left.
fn snake(name: &str) -> String {
    let mut snake = String::new();
    let mut before = '_';
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && (before.is_ascii_lowercase() || before.is_ascii_digit()) {
            snake.push('_');
        }
        snake.push(if letter.is_ascii_alphanumeric() { letter.to_ascii_lowercase() } else { '_' });
        before = letter;
    }
    snake.trim_matches(|letter: char| letter == '_' || letter.is_ascii_digit()).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_gives_a_package_a_name_that_cargo_takes() {
        for (directory, name) in [
            ("shop", "shop"),
            ("My Shop!", "my-shop"),
            ("3 shops", "workflows-3-shops"),
            ("…", "workflows"),
            ("test", "test-workflows"),
            ("tasker-runtime", "tasker-runtime-workflows"),
            ("serde", "serde-workflows"),
        ] {
            assert_eq!(package(directory), name, "{directory}");
        }
    }

    #[test]
    fn a_name_that_is_no_function_is_refused_with_one_that_is() {
        assert_eq!(of_handler("charge_card2"), Ok(()));
        for (name, better) in [
            ("ChargeCard", "write `charge_card`"),
            ("charge-card", "write `charge_card`"),
            ("2nd", "write `nd`"),
            ("move", "write `move_step`"),
        ] {
            let said = of_handler(name).err().unwrap_or_default();
            assert!(said.contains(better), "{name}: {said}");
        }
        assert!(of_handler("…").is_err_and(|said| said.ends_with("this is `…`")));
        assert_eq!(of_template("move"), Ok(()));
    }
}
