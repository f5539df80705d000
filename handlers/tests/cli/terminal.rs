//! What is seen on a terminal, as a terminal shows it.

use std::{
    ffi::OsStr,
    fs::{File, OpenOptions},
    io::Read,
    num::NonZero,
    os::unix::ffi::OsStrExt,
    process::{Command, Stdio},
};

use rustix::{
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{Winsize, tcsetwinsize},
};
use support::fresh_sqlite;
use vt100::Parser;

use crate::ran::{Folder, last_task, run, tasker};

/// Which streams are the terminal.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Streams {
    Both,
    Data,
    Rest,
}

/// What a command left on a terminal.
struct Seen {
    parser: Parser,
    raw: Vec<u8>,
    code: Option<i32>,
    /// What went elsewhere.
    other: Vec<u8>,
}

impl Seen {
    /// The lines of the screen, and of what has gone by above it.
    fn lines(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        self.parser.screen_mut().set_scrollback(usize::MAX);
        for above in (0..=self.parser.screen().scrollback()).rev() {
            self.parser.screen_mut().set_scrollback(above);
            let shown = self.parser.screen().contents();
            let shown: Vec<&str> = shown.lines().collect();
            match above {
                0 => lines.extend(shown.iter().map(|line| (*line).to_owned())),
                _ => lines.push(shown.first().copied().unwrap_or_default().to_owned()),
            }
        }
        lines
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.raw).into_owned()
    }
}

/// Runs a command on a terminal of this size.
fn on_terminal(mut command: Command, (columns, rows): (u16, u16), streams: Streams) -> Seen {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    tcsetwinsize(&master, Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap();
    let terminal =
        OpenOptions::new().read(true).write(true).open(OsStr::from_bytes(name.as_bytes())).unwrap();
    let stream = |is_terminal: bool| {
        if is_terminal { Stdio::from(terminal.try_clone().unwrap()) } else { Stdio::piped() }
    };
    command.stdout(stream(streams != Streams::Rest)).stderr(stream(streams != Streams::Data));
    let mut child = command.spawn().unwrap();
    drop((command, terminal));
    let (mut parser, mut raw) = (Parser::new(size(rows), size(columns), 1000), Vec::new());
    let (mut master, mut bytes) = (File::from(master), [0; 4096]);
    // Ends with an error, as a terminal does that nobody has open any more.
    while let Ok(read @ 1..) = master.read(&mut bytes) {
        parser.process(&bytes[..read]);
        raw.extend(&bytes[..read]);
    }
    let mut other = Vec::new();
    if let Some(mut out) = child.stdout.take() {
        out.read_to_end(&mut other).unwrap();
    }
    if let Some(mut err) = child.stderr.take() {
        err.read_to_end(&mut other).unwrap();
    }
    Seen { parser, raw, code: child.wait().unwrap().code(), other }
}

fn size(cells: u16) -> NonZero<u16> {
    NonZero::new(cells).unwrap()
}

/// `tasker` with the terminal most programs know, and no other wishes: not those of continuous integration
/// either, whose log viewers show colours whatever `TERM` says.
fn shown(database: &support::TestDatabase, arguments: &[&str]) -> Command {
    let mut command = tasker(database, arguments);
    command
        .env("TERM", "xterm-256color")
        .env_remove("NO_COLOR")
        .env_remove("CLICOLOR")
        .env_remove("CLICOLOR_FORCE")
        .env_remove("CI");
    command
}

/// Steps with names that are wider than the terminal, one below the other.
fn wide(steps: usize) -> String {
    let name = |number: usize| {
        format!("a_step_with_a_name_that_leaves_no_room_for_its_state_on_a_terminal_{number:02}")
    };
    let mut text = "name: wide\nnamespace: t\nsteps:\n".to_owned();
    for number in 0..steps {
        let after = number.checked_sub(1).map(|before| format!(", depends_on: [{}]", name(before)));
        text.push_str(&format!(
            "  - {{ name: {}, handler: {{ callable: fail_n_times, initialization: {{ fail_count: 0 }} }}{} }}\n",
            name(number),
            after.unwrap_or_default()
        ));
    }
    text
}

#[test]
fn tree_shows_the_state_of_every_step_and_leaves_nothing_behind() {
    let (database, folder) = (fresh_sqlite(), Folder::new());
    folder.put("wide.yaml", &wide(8));
    for columns in [40, 80] {
        let command = shown(&database, &["run", "t/wide", "--templates", folder.path()]);
        let mut seen = on_terminal(command, (columns, 24), Streams::Both);
        let lines = seen.lines();
        assert_eq!(seen.code, Some(0), "{lines:#?}");
        assert_eq!(lines[0], "t/wide 1.0.0", "{lines:#?}");
        let steps: Vec<&String> = lines.iter().filter(|line| line.contains("a_step")).collect();
        assert_eq!(steps.len(), 8, "{lines:#?}");
        assert!(steps.iter().all(|line| line.contains("✓ complete")), "{lines:#?}");
        assert!(lines[9].contains(" complete after "), "{lines:#?}");
        assert_eq!(lines[10..], ["1"], "{lines:#?}");
        assert!(seen.text().contains("● in_progress"), "it was seen while it ran");
    }
}

#[test]
fn on_a_screen_lower_than_the_tree_there_are_lines() {
    let (database, folder) = (fresh_sqlite(), Folder::new());
    folder.put("wide.yaml", &wide(8));
    let command = shown(&database, &["run", "t/wide", "--templates", folder.path()]);
    let mut seen = on_terminal(command, (120, 6), Streams::Both);
    let lines = seen.lines();
    let complete: Vec<&String> = lines.iter().filter(|line| line.contains("✓ complete")).collect();
    assert_eq!(complete.len(), 8, "{lines:#?}");
    assert!(!seen.text().contains("\x1b[J"), "nothing is drawn over: {lines:#?}");
}

#[test]
fn failure_and_retry_are_seen_in_the_tree_and_the_error_below_it() {
    let (database, folder) = (fresh_sqlite(), Folder::new());
    let fails = "name: fails\nnamespace: t\nsteps:\n  - { name: breaks, handler: panic_once, retry: { max_attempts: 1 } }\n  \
                 - { name: after, handler: panic_once, depends_on: [breaks] }\n";
    folder.put("fails.yaml", fails);
    let mut command = shown(&database, &["run", "t/fails", "--templates", folder.path()]);
    command.env_remove("RUST_BACKTRACE");
    let mut seen = on_terminal(command, (80, 24), Streams::Both);
    let lines = seen.lines();
    assert!(
        lines[0].starts_with("panicked at ") && lines.iter().any(|line| line.contains("error_injection.rs")),
        "{lines:#?}"
    );
    assert_eq!(lines.iter().filter(|line| line.contains("─ breaks  ✗ error")).count(), 1, "{lines:#?}");
    assert_eq!(lines.iter().filter(|line| line.contains("─ after  · pending")).count(), 1, "{lines:#?}");
    assert!(lines.iter().any(|line| line.starts_with("error: step `breaks` failed for good")), "{lines:#?}");
}

#[test]
fn terminal_that_can_nothing_gets_plain_lines() {
    let database = fresh_sqlite();
    let mut command = shown(&database, &["run", "diamond_workflow/parallel_processing"]);
    command.env("TERM", "dumb");
    let seen = on_terminal(command, (80, 24), Streams::Both);
    assert!(!seen.raw.contains(&0x1b), "{}", seen.text());
    assert!(seen.text().contains("parallel_end  ✓ complete"), "{}", seen.text());

    let mut command = shown(&database, &["run", "diamond_workflow/parallel_processing"]);
    command.env("TERM", "dumb").env("CI", "true");
    let seen = on_terminal(command, (80, 24), Streams::Both);
    assert!(!seen.text().contains("\x1b[J"), "nothing is drawn over in a log: {}", seen.text());
}

#[test]
fn colours_are_decided_for_each_stream_by_itself() {
    let database = fresh_sqlite();
    run(&database, &["run", "diamond_workflow/parallel_processing"]);
    let task = last_task(&database);
    let graph = || shown(&database, &["graph", &task]);
    let is_coloured = |bytes: &[u8]| bytes.windows(2).any(|pair| pair == b"\x1b[");

    assert!(is_coloured(&on_terminal(graph(), (80, 24), Streams::Data).raw), "standard output is a terminal");
    let data = on_terminal(graph(), (80, 24), Streams::Rest).other;
    assert!(data.contains(&b'\n') && !is_coloured(&data), "standard output is a pipe, whatever the rest is");
    let error = on_terminal(
        shown(&database, &["show", "0198c1c0-0000-7000-8000-000000000000"]),
        (80, 24),
        Streams::Data,
    );
    assert!(!error.other.is_empty() && !is_coloured(&error.other), "standard error is a pipe");

    let mut without = graph();
    without.env("NO_COLOR", "1");
    assert!(!is_coloured(&on_terminal(without, (80, 24), Streams::Both).raw), "nobody wants them");
    let mut tree = shown(&database, &["run", "diamond_workflow/parallel_processing"]);
    tree.env("NO_COLOR", "1");
    let tree = on_terminal(tree, (80, 24), Streams::Both).text();
    assert!(tree.contains("\x1b[J") && !tree.contains("m✓"), "the tree needs no colours");
    let forced = graph().env("CLICOLOR_FORCE", "1").output().unwrap().stdout;
    assert!(is_coloured(&forced), "somebody wants them in a pipe");
}

/// Takes the cursor away, sets the title, turns the direction of writing, goes back to the left.
const HOSTILE: &str = "x\u{1b}[2Jy\u{1b}]0;t\u{7}z\u{202e}w\rv";

/// Asserts that nothing of [`HOSTILE`] reached the terminal as it is, and that what was there can be told.
fn is_escaped(seen: &Seen) {
    is_tame(seen);
    assert!(seen.text().contains("202e"), "{:?}", seen.text());
}

/// Asserts that nothing of [`HOSTILE`] reached the terminal as it is.
fn is_tame(seen: &Seen) {
    let text = seen.text();
    for raw in ["\x1b[2J", "\x1b]0", "\u{7}", "\u{202e}", "w\rv"] {
        assert!(!text.contains(raw), "{raw:?}: {text:?}");
    }
    assert!(text.contains('x'), "it is shown in some way: {text:?}");
}

#[test]
fn nothing_that_is_not_ours_reaches_a_terminal_as_it_is() {
    let (database, folder) = (fresh_sqlite(), Folder::new());
    let on = |arguments: &[&str]| on_terminal(shown(&database, arguments), (200, 50), Streams::Both);
    let quoted = serde_json::to_string(HOSTILE).unwrap();

    // A result that an operator gave, in a tree, a table, a document and a report.
    folder.put(
        "fails.yaml",
        "name: fails\nnamespace: t\nsteps:\n  - { name: breaks, handler: permanent_fail }\n",
    );
    folder.run(&database, &["run", "t/fails"]);
    let task = last_task(&database);
    assert_eq!(run(&database, &["resolve", &task, "breaks", "--result", &quoted]).code, 0);
    for arguments in [
        &["show", &task] as &[&str],
        &["show", &task, "-o", "json"],
        &["resume", &task],
        &["list", "-o", "jsonl"],
    ] {
        let seen = on(arguments);
        if arguments[0] != "list" {
            is_escaped(&seen);
        }
    }

    // A description, and a file with mistakes whose name is hostile.
    let described = Folder::new();
    described.put(
        "a.yaml",
        &format!("name: a\ndescription: {quoted}\nsteps:\n  - {{ name: s, handler: panic_once }}\n"),
    );
    is_escaped(&on(&["template", "list", "--templates", described.path()]));
    is_escaped(&on(&["template", "show", "a", "--templates", described.path(), "-o", "json"]));
    let file = described.put(&format!("{HOSTILE}.yaml"), "name: b\n");
    is_escaped(&on(&["template", "check", &file]));
    is_escaped(&on(&["run", "b", "--templates", described.path()]));
    std::fs::remove_file(&file).unwrap();
    described.put("c.yaml", &format!("name: c\nsteps:\n  - {{ name: s, handler: {quoted} }}\n"));
    is_tame(&on(&["run", "c", "--templates", described.path()]));
    is_tame(&on(&["template", "check", "--templates", described.path()]));

    // What the command line itself says.
    folder.run(&database, &["run", "t/fails"]);
    let task = last_task(&database);
    for arguments in [
        &["run", HOSTILE] as &[&str],
        &["run", "t/fails", "--input", &format!("@{HOSTILE}")],
        &["run", "t/fails", "--templates", HOSTILE],
        &["list", "--database", HOSTILE],
        &["list", "--state", HOSTILE],
        &["template", "check", HOSTILE],
        &["skip", &task, HOSTILE],
        &[HOSTILE],
    ] {
        let seen = on(arguments);
        assert_ne!(seen.code, Some(0));
        is_escaped(&seen);
    }
}
