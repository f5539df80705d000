//! Environment variables: those of the settings, and others whose names look as if they were.

use std::ffi::OsString;

use super::{ConfigError, KEYS, Key};

/// What the names of all our variables begin with.
const PREFIX: &str = "TASKER_";

/// Variables that are not settings.
const OTHERS: [&str; 2] = ["TASKER_CONFIG_PATH", "TASKER_ENV"];

/// The variable of a setting.
pub(super) fn of(key: &Key) -> String {
    format!("{PREFIX}{}", key.name.replace('.', "_").to_uppercase())
}

/// The candidate of which a name is so near that it must be a slip: at most three letters away, and of a short name
/// less than a third of its letters. Names that only look alike are not ours to refuse, so this is stricter than
/// [`nearest`](crate::template::nearest).
fn meant<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let most = 3.min(name.len().saturating_sub(1) / 3);
    let near = candidates.map(|candidate| (strsim::damerau_levenshtein(candidate, name), candidate));
    near.filter(|(distance, _)| *distance <= most).min().map(|(_, candidate)| candidate)
}

/// What is to be said of variables in our name space that are not ours: those whose names are one or two letters
/// away from a real one are mistakes, the others only look odd.
#[derive(Debug, Default)]
pub(super) struct Unknown {
    pub mistakes: Vec<ConfigError>,
    pub others: Vec<String>,
}

/// Looks for unknown variables among `names`. Those that `is_meant` knows are left alone.
pub(super) fn unknown(names: impl Iterator<Item = OsString>, is_meant: impl Fn(&str) -> bool) -> Unknown {
    let known: Vec<String> = KEYS.iter().map(of).chain(OTHERS.map(str::to_owned)).collect();
    let mut found = Unknown::default();
    let names = names.map(|name| name.to_string_lossy().into_owned());
    let ours = |name: &String| name.starts_with(PREFIX) && !name.starts_with("TASKER_TEST_");
    for name in names.filter(ours).filter(|name| !known.contains(name) && !is_meant(name)) {
        let near = name
            .strip_prefix(PREFIX)
            .filter(|_| !is_injected(&name))
            .and_then(|rest| meant(rest, known.iter().map(|known| &known[PREFIX.len()..])));
        match near {
            Some(near) => {
                let nearest = format!("{PREFIX}{near}");
                found.mistakes.push(ConfigError::UnknownVariable { name, nearest });
            }
            None => found.others.push(name),
        }
    }
    found.others.sort();
    found
}

/// Whether a name has the form in which container platforms tell each container of the services around it: for
/// one called `tasker` that is `TASKER_SERVICE_HOST`, `TASKER_PORT`, `TASKER_PORT_8080_TCP_ADDR`.
fn is_injected(name: &str) -> bool {
    let numbered = |rest: &str| rest.starts_with(|digit: char| digit.is_ascii_digit());
    name.ends_with("_SERVICE_HOST")
        || name.contains("_SERVICE_PORT")
        || name.ends_with("_PORT")
        || name.split_once("_PORT_").is_some_and(|(_, rest)| numbered(rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(name: &str) -> Unknown {
        unknown(std::iter::once(name.into()), |name| name == "TASKER_API_TOKEN")
    }

    #[test]
    fn near_miss_of_a_setting_is_a_mistake_with_the_name_that_was_meant() {
        for (name, meant) in [
            ("TASKER_WORKER_CONCURENCY", "TASKER_WORKER_CONCURRENCY"),
            ("TASKER_CONFIGPATH", "TASKER_CONFIG_PATH"),
            ("TASKER_WORKER_QUEUE", "TASKER_WORKER_QUEUES"),
            ("TASKER_DATABASE_URI", "TASKER_DATABASE_URL"),
        ] {
            let said: Vec<String> = found(name).mistakes.iter().map(ToString::to_string).collect();
            assert_eq!(said, [format!("there is no variable `{name}`; did you mean `{meant}`?")]);
        }
    }

    #[test]
    fn what_container_platforms_inject_and_what_is_far_from_any_setting_is_only_named() {
        for name in [
            "TASKER_SERVICE_HOST",
            "TASKER_SERVICE_PORT",
            "TASKER_SERVICE_PORT_HTTP",
            "TASKER_PORT",
            "TASKER_PORT_8080_TCP",
            "TASKER_PORT_8080_TCP_ADDR",
            "TASKER_DATABASE_PORT",
            "TASKER_WORKER_PORT",
            "TASKER_WORKER_COLOUR",
            "TASKER_URL",
            "TASKER_EXAMPLE_DATA",
            "TASKER_CONFIG",
        ] {
            let found = found(name);
            assert!(found.mistakes.is_empty(), "{name}: {:?}", found.mistakes);
            assert_eq!(found.others, [name]);
        }
    }

    #[test]
    fn variables_that_are_known_are_left_alone() {
        for name in
            ["TASKER_WORKER_POLL_MS", "TASKER_ENV", "TASKER_TEST_DATABASE_URL", "TASKER_API_TOKEN", "PATH"]
        {
            let found = found(name);
            assert!(found.mistakes.is_empty() && found.others.is_empty(), "{name}");
        }
    }
}
