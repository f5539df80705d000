//! What may be a name, in the words of the template that would refuse it later.

/// The longest name.
const MAX: usize = 255;

/// The name of a step, as the option or field `key` says it.
///
/// # Errors
/// Why it is none.
pub(crate) fn step(name: &str, key: &str) -> Result<(), String> {
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '.' | '-');
    if name == "ALL" {
        return Err("`ALL` means every step, in `environments`: no step can be called so".to_owned());
    }
    checked(name, key, allowed, "letters, digits, `_`, `.` and `-`")
}

/// The name of a handler, which a template may also write as a path.
///
/// # Errors
/// Why it is none.
pub(crate) fn handler(name: &str) -> Result<(), String> {
    step(&name.replace("::", "."), "name")
}

/// The name of a template or a namespace.
///
/// # Errors
/// Why it is none.
pub(crate) fn template(name: &str, key: &str) -> Result<(), String> {
    let allowed = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_';
    checked(name, key, allowed, "lower case letters, digits and `_`")
}

fn checked(name: &str, key: &str, allowed: fn(char) -> bool, described: &str) -> Result<(), String> {
    if name.trim().is_empty() {
        return Err(format!("`{key}` is empty"));
    }
    if name.chars().count() > MAX {
        return Err(format!("`{key}` has more than {MAX} characters"));
    }
    match name.chars().find(|&letter| !allowed(letter)) {
        Some(bad) => Err(format!("`{key}` may only hold {described}, found {bad:?}")),
        None => Ok(()),
    }
}
