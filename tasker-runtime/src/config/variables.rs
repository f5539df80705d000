//! Environment variables that are meant for this program and are none of its own.

use super::{ConfigError, KEYS, Key};

/// Variables that are no settings.
const OTHERS: [&str; 2] = ["TASKER_CONFIG_PATH", "TASKER_ENV"];

/// Sections whose variables nobody else names. `TASKER_API_TOKEN` may well be a secret that a section
/// `[api.<name>]` mentions.
const OURS: [&str; 5] =
    ["TASKER_DATABASE_", "TASKER_TEMPLATES_", "TASKER_HANDLERS_", "TASKER_WORKER_", "TASKER_STEPS_"];

/// The variable of a setting.
pub(super) fn of(key: &Key) -> String {
    format!("TASKER_{}", key.name.replace('.', "_").to_uppercase())
}

/// Those of `names` that look like a setting and are none. Handlers and tests may have variables of their own.
pub(super) fn unknown(names: impl Iterator<Item = String>) -> impl Iterator<Item = ConfigError> {
    let known: Vec<String> = KEYS.iter().map(of).chain(OTHERS.map(str::to_owned)).collect();
    let ours = |name: &String| name.starts_with("TASKER_") && !name.starts_with("TASKER_TEST_");
    names.filter(ours).filter_map(move |name| {
        if known.contains(&name) {
            return None;
        }
        let distance = |known: &&String| strsim::damerau_levenshtein(known, &name);
        let nearest = known.iter().min_by_key(distance);
        let near = nearest.filter(|near| distance(near) <= 3).cloned();
        let section = OURS.iter().any(|section| name.starts_with(section));
        (near.is_some() || section).then_some(ConfigError::UnknownVariable { name, nearest: near })
    })
}

#[cfg(test)]
mod tests {
    use super::unknown;

    fn said(name: &str) -> Vec<String> {
        unknown(std::iter::once(name.to_owned())).map(|problem| problem.to_string()).collect()
    }

    #[test]
    fn variable_that_looks_like_a_setting_and_is_none_is_told_with_the_nearest() {
        assert_eq!(
            said("TASKER_WORKER_CONCURENCY"),
            ["there is no variable `TASKER_WORKER_CONCURENCY`; did you mean `TASKER_WORKER_CONCURRENCY`?"]
        );
        assert_eq!(said("TASKER_CONFIG"), Vec::<String>::new(), "too far from any to say what it is");
        assert_eq!(said("TASKER_CONFIGPATH").len(), 1);
        assert_eq!(said("TASKER_WORKER_COLOUR"), ["there is no variable `TASKER_WORKER_COLOUR`"]);
    }

    #[test]
    fn variables_of_others_are_left_alone() {
        for name in [
            "TASKER_WORKER_POLL_MS",
            "TASKER_ENV",
            "TASKER_TEST_DATABASE_URL",
            "TASKER_API_TOKEN",
            "TASKER_EXAMPLE_DATA",
            "PATH",
        ] {
            assert!(said(name).is_empty(), "{name}");
        }
    }
}
