//! What a command is given: how much, how it is encoded, and what is out of range.

use support::{databases, fresh_sqlite};

use crate::ran::{Folder, Ran, run, tasker};

const LINEAR: &str = "linear_workflow/mathematical_sequence";

#[test]
fn input_without_an_end_is_refused() {
    let database = fresh_sqlite();
    let ran = run(&database, &["run", LINEAR, "--input", "@/dev/zero"]);
    ran.failed(2, "cannot read the input file /dev/zero: it is larger than 64 MiB", "tasker run --help");
    let mut endless = tasker(&database, &["run", LINEAR, "--input", "-"]);
    endless.stdin(std::fs::File::open("/dev/zero").unwrap());
    let ran = Ran::from(endless.output().unwrap());
    ran.failed(2, "cannot read standard input: it is larger than 64 MiB", "tasker run --help");
}

#[test]
fn input_is_read_in_utf_8_and_in_utf_16_that_says_so() {
    let (database, folder) = (fresh_sqlite(), tempfile::tempdir().unwrap());
    let text = "\u{feff}{\"even_number\": 6}";
    let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    for bytes in
        [text.as_bytes().to_vec(), little.clone(), text.encode_utf16().flat_map(u16::to_be_bytes).collect()]
    {
        let file = folder.path().join("input.json");
        std::fs::write(&file, bytes).unwrap();
        let ran = run(&database, &["run", LINEAR, "--input", &format!("@{}", file.display())]);
        assert_eq!((ran.code, &*ran.out), (0, "2821109907456\n"), "{}", ran.err);
    }
    let file = folder.path().join("input.json");
    for (bytes, problem) in
        [(&little[2..], "it looks like UTF-16: save it as UTF-8"), (b"\"\xff\"", "byte 2 is not valid UTF-8")]
    {
        std::fs::write(&file, bytes).unwrap();
        let ran = run(&database, &["run", LINEAR, "--input", &format!("@{}", file.display())]);
        ran.failed(2, problem, "tasker run --help");
    }
}

#[tokio::test]
async fn key_of_255_characters_is_taken_and_a_longer_one_refused() {
    for database in databases().await {
        let submit = |key: &str| {
            run(&database, &["submit", LINEAR, "--idempotency-key", key, "--input", r#"{"even_number": 6}"#])
        };
        let longest = "ä".repeat(255);
        let first = submit(&longest);
        assert_eq!((first.code, submit(&longest).out), (0, first.out.clone()), "{database}: {}", first.err);
        let message = "an idempotency key may have at most 255 characters, and this one has 256";
        submit(&format!("{longest}ä")).failed(2, message, &format!("tasker template show {LINEAR}"));
    }
}

#[test]
fn delay_has_units_and_one_that_is_too_long_is_refused() {
    let database = fresh_sqlite();
    for delay in ["99999999d", "18446744073709551615", "36501d", "-1", "soon"] {
        let ran = run(&database, &["submit", LINEAR, &format!("--delay={delay}")]);
        assert!(
            ran.code == 2 && ran.err.contains(&format!("invalid value '{delay}'")),
            "{delay}: {}",
            ran.err
        );
    }
    let task =
        run(&database, &["submit", LINEAR, "--input", r#"{"even_number": 6}"#, "--delay", "36500d"]).out;
    let shown = run(&database, &["show", task.trim()]);
    assert!(shown.out.contains("\ndue       21"), "{}{}", shown.out, shown.err);
}

#[test]
fn folder_of_templates_that_is_not_there_is_a_mistake() {
    let (database, folder) = (fresh_sqlite(), Folder::new());
    let file = folder.put("a.yaml", "name: a\n");
    for missing in ["/nowhere/at/all", &file] {
        for command in [&["template", "list"] as &[&str], &["run", LINEAR], &["serve"], &["doctor"]] {
            let ran = run(&database, &[command, &["--templates", missing]].concat());
            ran.failed(2, &format!("--templates: there is no folder {missing}"), "tasker --help");
        }
    }
}

#[test]
fn variables_that_container_platforms_set_stop_nothing_and_are_named_once() {
    let database = fresh_sqlite();
    let mut command = tasker(&database, &["run", LINEAR, "--input", r#"{"even_number": 6}"#]);
    command.env("TASKER_SERVICE_HOST", "10.0.0.1").env("TASKER_PORT_8080_TCP", "tcp://10.0.0.1:8080");
    let ran = Ran::from(command.output().unwrap());
    assert_eq!((ran.code, &*ran.out), (0, "2821109907456\n"), "{}", ran.err);
    let warnings: Vec<&str> = ran.err.lines().filter(|line| line.starts_with("warning:")).collect();
    assert_eq!(warnings, ["warning: not a setting, and ignored: TASKER_PORT_8080_TCP, TASKER_SERVICE_HOST"]);
    let mut command = tasker(&database, &["list"]);
    let near = Ran::from(command.env("TASKER_WORKER_QUEUE", "a").output().unwrap());
    near.failed(
        2,
        "there is no variable `TASKER_WORKER_QUEUE`; did you mean `TASKER_WORKER_QUEUES`?",
        "tasker --help",
    );
}

#[test]
fn list_where_names_are_expected_is_refused_with_its_line() {
    let folder = Folder::new();
    let file = folder.put("tasker.toml", "[worker]\nqueues = [\"a\"]\n");
    let mut command = tasker(&fresh_sqlite(), &["serve"]);
    let ran = Ran::from(command.env("TASKER_CONFIG_PATH", &file).output().unwrap());
    let message =
        format!("{file}:2: `worker.queues` must be names separated by commas, `\"a, b\"`, not a list");
    ran.failed(2, &message, "tasker --help");
}
