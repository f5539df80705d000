use std::{fs, os::unix::ffi::OsStringExt, time::Duration};

use super::*;

fn with_file(text: &str) -> Result<Config, ConfigError> {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), text).unwrap();
    Config::from_parts(Some(file.path()), |_| None)
}

/// What is wrong with a file, from the line on.
fn refused(text: &str) -> Vec<String> {
    let said = with_file(text).unwrap_err().to_string();
    said.lines().map(|line| line.split_once(':').unwrap().1.to_owned()).collect()
}

#[test]
fn variables_go_before_the_file_and_the_file_before_defaults() {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), "[worker]\nconcurrency = 7\npoll_ms = 70\n").unwrap();
    let variable = |name: &str| (name == "TASKER_WORKER_POLL_MS").then(|| "50".to_owned());
    let config = Config::from_parts(Some(file.path()), variable).unwrap();
    let worker = &config.settings().worker;
    assert_eq!(worker.concurrency, 7);
    assert_eq!(worker.poll, Duration::from_millis(50));
    assert_eq!(worker.lease, Duration::from_secs(15));
    let sources: BTreeMap<_, _> = config.effective().map(|found| (found.key.name, found.source)).collect();
    assert_eq!(sources["worker.lease_seconds"], &Source::Default);
    assert_eq!(sources["worker.concurrency"], &Source::File(file.path().to_owned()));
    assert_eq!(sources["worker.poll_ms"], &Source::Variable("TASKER_WORKER_POLL_MS".to_owned()));
}

#[test]
fn unknown_settings_and_impossible_values_are_refused_with_line_and_way_out() {
    for (text, said) in [
        (
            "[worker]\nconcurency = 7\n",
            "2: there is no setting `worker.concurency`; did you mean `worker.concurrency`?",
        ),
        (
            "\n[worker]\nconcurrency = 0\n",
            "3: `worker.concurrency` must be a whole number from 1 to 100000, not `0`",
        ),
        ("worker = 1\n", "1: there is no setting `worker`"),
    ] {
        assert_eq!(refused(text), [said]);
    }
}

#[test]
fn value_of_another_type_is_refused_with_its_line() {
    for (value, found) in [
        ("[\"a\"]", "a list"),
        ("{ a = 1 }", "a table"),
        ("1.5", "the fraction 1.5"),
        ("2024-01-01", "a date"),
        ("7", "the number 7"),
        ("true", "`true`"),
    ] {
        let queues = refused(&format!("[worker]\nqueues = {value}\n"));
        assert_eq!(
            queues,
            [format!("2: `worker.queues` must be names separated by commas, `\"a, b\"`, not {found}")]
        );
        let url = refused(&format!("[database]\nurl = {value}\n"));
        assert_eq!(url, [format!("2: `database.url` must be text in quotes, and not empty, not {found}")]);
    }
    assert_eq!(refused("[worker]\nqueues = \"a,,b\"\n").len(), 1);
    assert_eq!(
        refused("[worker]\nconcurrency = 1.0\n"),
        ["2: `worker.concurrency` must be a whole number from 1 to 100000, not the fraction 1.0"]
    );
    assert_eq!(with_file("[worker]\nconcurrency = 0x10\n").unwrap().settings().worker.concurrency, 16);
}

#[test]
fn mistakes_of_all_keys_are_told_at_once() {
    let text = "[worker]\nqueues = [1]\nlease_seconds = 1\n[api.x]\nbase_url = 1\n[nothing]\nred = 1\n";
    let variable = |name: &str| (name == "TASKER_WORKER_WAKE").then(|| "never".to_owned());
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), text).unwrap();
    let ConfigError::Several(problems) = Config::from_parts(Some(file.path()), variable).unwrap_err() else {
        panic!("one problem only")
    };
    assert_eq!(problems.len(), 5, "{problems:?}");
}

#[test]
fn mistakes_in_the_syntax_are_told_without_the_text_of_the_line() {
    let said = refused("[database]\nurl = postgres://ada:secret@host/db\n[worker]\nqueues = \"a\n");
    assert!(said[0].starts_with("2: not valid TOML: "), "{said:?}");
    assert!(!said.iter().any(|said| said.contains("secret")), "{said:?}");
    assert!(said.iter().any(|said| said.starts_with("4: ")), "every mistake is told: {said:?}");
}

#[test]
fn variable_that_is_not_text_is_refused() {
    let value = OsString::from_vec(vec![b'a', 0xff]);
    for name in ["TASKER_WORKER_QUEUES", "DATABASE_URL"] {
        let variable = |asked: &str| (asked == name).then(|| value.clone());
        let said = Config::read(None, variable, Vec::new()).unwrap_err().to_string();
        assert_eq!(said, format!("{name}: the value is not valid UTF-8"));
    }
}

#[test]
fn file_that_never_ends_or_is_not_text_is_refused() {
    let endless = Config::from_parts(Some(Path::new("/dev/zero")), |_| None).unwrap_err().to_string();
    assert_eq!(endless, "/dev/zero: cannot be read: larger than 1 MiB");
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), b"[worker]\n# \xff\n").unwrap();
    let said = Config::from_parts(Some(file.path()), |_| None).unwrap_err().to_string();
    assert!(said.ends_with("cannot be read: line 2 is not valid UTF-8"), "{said}");
}

#[test]
fn variables_that_nobody_knows_are_named_once_and_those_of_sections_are_known() {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), "[api.x]\nheaders = { A = \"Bearer ${TASKER_API_TOKEN}\" }\n").unwrap();
    let names = ["TASKER_PORT_80_TCP", "TASKER_API_TOKEN", "TASKER_SERVICE_HOST"].map(OsString::from);
    let config = Config::read(Some(file.path()), |_| None, names.to_vec()).unwrap();
    assert_eq!(config.warnings(), ["not a setting, and ignored: TASKER_PORT_80_TCP, TASKER_SERVICE_HOST"]);
}

#[test]
fn the_committed_file_has_every_setting_with_its_default() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/tasker.toml");
    let text = fs::read_to_string(&file).unwrap();
    let config = Config::from_parts(Some(&file), |_| None).unwrap();
    assert_eq!(config.settings(), &Settings::default());
    for found in config.effective() {
        let key = found.key;
        assert!(text.contains(key.about), "the file says of {}: {}", key.name, key.about);
        assert_ne!(found.source, &Source::Default, "{} is missing", key.name);
    }
}
