//! Where tasks are kept: what a URL may name, and that its password is seen nowhere.

use std::{
    os::unix::{fs::PermissionsExt, process::CommandExt},
    process::Command,
};

use support::fresh_sqlite;

use crate::ran::{Folder, Ran, run, tasker};

const LINEAR: [&str; 3] = ["linear_workflow/mathematical_sequence", "--input", r#"{"even_number": 6}"#];

/// These arguments with this database.
fn on(url: &str, arguments: &[&str]) -> Ran {
    run(&fresh_sqlite(), &[arguments, &["--database", url]].concat())
}

#[test]
fn path_that_is_empty_is_refused_and_no_task_is_acknowledged() {
    for url in ["sqlite://", "sqlite:", "sqlite://?mode=rwc", "sqlite://%20", " sqlite:// \n"] {
        for command in ["submit", "run"] {
            let ran = on(url, &[&[command], &LINEAR[..]].concat());
            ran.failed(
                2,
                "it names no file; if a variable stands in it, that may not be set",
                "tasker doctor",
            );
        }
    }
    let doctor = on("sqlite://", &["doctor"]);
    assert!(doctor.code == 1 && doctor.out.contains("names no file"), "{}", doctor.out);
}

#[test]
fn database_in_memory_is_for_commands_that_run_tasks() {
    let nobody = "0198c1c0-0000-7000-8000-000000000000";
    for url in ["sqlite::memory:", "sqlite://:memory:", "sqlite://x?mode=memory", "sqlite://%3Amemory%3A"] {
        let submit = [&["submit"], &LINEAR[..]].concat();
        for command in [
            &*submit,
            &["list"],
            &["show", nobody],
            &["watch", nobody],
            &["resume", nobody],
            &["retry", nobody],
            &["graph", nobody],
            &["worker", "list"],
            &["dlq", "list"],
        ] {
            on(url, command).failed(2, "ends with this command: name a file, or a server", "tasker --help");
        }
        on(url, &["serve"]).failed(
            2,
            "nobody could submit a task to it: name a file, or a server",
            "tasker --help",
        );
        let ran = on(url, &[&["run"], &LINEAR[..]].concat());
        assert_eq!((ran.code, &*ran.out), (0, "2821109907456\n"), "{url}: {}", ran.err);
    }
    assert!(!std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../x")).exists());
}

#[test]
fn relative_path_is_told_as_the_absolute_one_it_is_and_a_line_break_behind_it_does_not_count() {
    let place = tempfile::tempdir().unwrap();
    let here = place.path().canonicalize().unwrap();
    let ran: Ran = tasker(&fresh_sqlite(), &["doctor"])
        .current_dir(&here)
        .env("DATABASE_URL", "sqlite://here.db\n")
        .output()
        .unwrap()
        .into();
    assert!(
        ran.out.contains(&format!("database   sqlite://{}/here.db: SQLite", here.display())),
        "{}",
        ran.out
    );
    assert!(here.join("here.db").is_file(), "nothing else was made of the line break");
}

#[test]
fn file_that_cannot_be_used_is_told_with_what_is_wrong() {
    let place = tempfile::tempdir().unwrap();
    let here = place.path().canonicalize().unwrap();
    std::fs::write(
        here.join("text.db"),
        "this is a text and not a database, and long enough to be seen as one\n".repeat(20),
    )
    .unwrap();
    let missing = here.join("not/there");
    for (path, problem) in [
        (missing.join("a.db"), format!("cannot be created: there is no folder {}", missing.display())),
        (here.clone(), "is a folder: name a file in it".to_owned()),
        (here.join("text.db"), "is not a SQLite database".to_owned()),
    ] {
        let message = format!("the database file {} {problem}", path.display());
        on(&format!("sqlite://{}", path.display()), &["list"]).failed(4, &message, "tasker doctor");
    }
}

/// As a user who may do everything, which tests may be run by, nothing is forbidden: then it is another one.
fn as_a_user(mut command: Command) -> Ran {
    let root = std::fs::metadata("/proc/self").is_ok_and(|process| {
        use std::os::unix::fs::MetadataExt;
        process.uid() == 0
    });
    if root {
        command.uid(65_534).gid(65_534);
    }
    command.output().unwrap().into()
}

#[test]
fn file_that_may_not_be_read_or_written_is_told_so() {
    let place = tempfile::tempdir().unwrap();
    let here = place.path().canonicalize().unwrap();
    let allow = |path: &std::path::Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    // The program stands where the other user may run it. Copied by somebody else: a process that another test
    // starts meanwhile would have it open for writing as well, and then it does not run.
    let program = here.join("tasker");
    let copied = Command::new("cp").arg(env!("CARGO_BIN_EXE_tasker")).arg(&program).status().unwrap();
    assert!(copied.success());
    let file = here.join("tasker.db");
    let list = || {
        let mut command = Command::new(&program);
        command.arg0("tasker").env_remove("CARGO");
        command.args(["list", "--database", &format!("sqlite://{}", file.display())]).current_dir(&here);
        as_a_user(command)
    };
    let message = format!("the database file {} cannot be", file.display());
    allow(&here, 0o555);
    list().failed(4, &message, "tasker doctor");
    std::fs::write(&file, "").unwrap();
    for mode in [0o444, 0o000] {
        allow(&file, mode);
        allow(&here, 0o777);
        list().failed(4, &message, "tasker doctor");
    }
    allow(&here, 0o777);
}

#[test]
fn password_is_seen_nowhere_in_whatever_form_it_is_written() {
    let place = Folder::new();
    let passwords = place.put("pgpass", "s3cret-on-a-line-of-its-own\n");
    std::fs::set_permissions(&passwords, std::fs::Permissions::from_mode(0o600)).unwrap();
    for url in [
        "postgres://ada:s3cret@127.0.0.1:1/db",
        "POSTGRES://ada:s3cret@127.0.0.1:1/db",
        "postgres://ada:s3cret@[::1]:1/db",
        "postgres://ada:%733cret@127.0.0.1:1/db?password=s3cret",
        "postgres://127.0.0.1:1/db?user=ada&password=s3cret",
        "postgres://127.0.0.1:1/db?user=ada&p%61ssword=s3cret",
        "postgres://ada@127.0.0.1:1/db?sslpassword=s3cret",
        "postgres://ada@127.0.0.1:1/db?PASSWORD=s3cret&connect_timeout=1",
        "postgres://ada:s3cret@127.0.0.1:1,127.0.0.1:2/db",
        "postgres://ada:x/s3cret@127.0.0.1:1/db",
        "postgres://ada:x s3cret@127.0.0.1:port/db",
        "postgres:ada:s3cret@127.0.0.1:1/db",
        "ada:s3cret@127.0.0.1:1/db",
        "host=127.0.0.1 port=1 user=ada password=s3cret",
        "mysql://ada:s3cret@127.0.0.1:1/db",
    ] {
        for command in
            [&["config", "show"] as &[&str], &["config", "show", "-o", "json"], &["doctor"], &["list"]]
        {
            let mut command = tasker(&fresh_sqlite(), command);
            command.env("DATABASE_URL", url).env("RUST_LOG", "debug").env("PGPASSWORD", "s3cret");
            command.env("PGPASSFILE", &passwords);
            let ran = Ran::from(command.output().unwrap());
            let said = ran.out + &ran.err;
            assert!(!said.contains("3cret"), "{url}: {said}");
        }
    }
    // Of a parameter that the driver does not know, the name is told once.
    let ran = on("postgres://ada@127.0.0.1:1/db?connect_timeout=1&sslpassword=s3cret", &["list"]);
    let told = "these parameters of the database URL are ignored: connect_timeout, sslpassword";
    assert!(ran.err.matches(told).count() == 1 && !ran.err.contains("s3cret"), "{}", ran.err);
    // Without another password the file is looked at.
    let mut command = tasker(&fresh_sqlite(), &["list", "--database", "postgres://ada@127.0.0.1:1/db"]);
    let ran = Ran::from(command.env("PGPASSFILE", &passwords).output().unwrap());
    assert!(ran.err.contains("pgpass") && !ran.err.contains("s3cret"), "{}", ran.err);
}

#[test]
fn password_in_a_file_that_is_not_valid_is_not_shown_with_the_mistake() {
    let folder = Folder::new();
    for text in [
        "[database]\nurl = postgres://ada:s3cret@host/db\n",
        "[database]\nurl = \"postgres://ada:s3cret@host/db\n",
        "[database]\nurl = [\"postgres://ada:s3cret@host/db\"]\n",
        "[database]\n\"postgres://ada:s3cret@host/db\" = 1\n",
        "[worker]\nwake = \"postgres://ada:s3cret@host/db\"\n",
    ] {
        let file = folder.put("tasker.toml", text);
        let mut command = tasker(&fresh_sqlite(), &["config", "show"]);
        let ran = Ran::from(command.env("TASKER_CONFIG_PATH", &file).output().unwrap());
        assert!(ran.code == 2 && ran.err.contains(&format!("{file}:2: ")), "{}", ran.err);
        assert!(!ran.err.contains("s3cret"), "{}", ran.err);
    }
}
