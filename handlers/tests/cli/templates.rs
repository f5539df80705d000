//! A task stays with the template it started with, and a file with mistakes is in the way of its own template
//! only.

use support::{databases, fresh_sqlite};

use crate::ran::{Folder, last_task, run};

const FIRST: &str = "\
name: moved
namespace: t
version: 1.0.0
steps:
  - { name: pa, handler: { callable: fail_n_times, initialization: { fail_count: 0 } } }
  - { name: deep_a, handler: permanent_fail, depends_on: [pa] }
";

const SECOND: &str = "\
name: moved
namespace: t
version: 2.0.0
steps:
  - { name: deep_b, handler: permanent_fail }
  - { name: x, handler: permanent_fail }
  - { name: pa, handler: { callable: fail_n_times, initialization: { fail_count: 0 } }, depends_on: [x] }
";

#[tokio::test]
async fn task_is_shown_and_run_with_the_template_it_started_with() {
    for database in databases().await {
        let folder = Folder::new();
        folder.put("moved.yaml", FIRST);
        assert_eq!(folder.run(&database, &["run", "t/moved"]).code, 1, "{database}");
        let task = last_task(&database);
        let drawn = folder.run(&database, &["graph", &task]).out;
        assert!(drawn.starts_with("t/moved 1.0.0\n└─ pa  ✓ complete\n   └─ deep_a  ✗ error\n"), "{drawn}");
        for file in [Some(SECOND), None] {
            match file {
                Some(text) => drop(folder.put("moved.yaml", text)),
                None => folder.remove("moved.yaml"),
            }
            assert_eq!(folder.run(&database, &["graph", &task]).out, drawn, "{database}");
            for command in ["watch", "resume"] {
                let ran = folder.run(&database, &[command, &task]);
                assert_eq!(ran.code, 1, "{database}: {}", ran.err);
                let lines: Vec<&str> = ran.err.lines().take(2).collect();
                assert!(lines[0].starts_with("pa  ✓ complete"), "{database}, {command}: {}", ran.err);
                assert!(lines[1].starts_with("deep_a  ✗ error"), "{database}, {command}: {}", ran.err);
                assert!(!ran.err.contains("deep_b"), "{database}: {}", ran.err);
            }
            let resolved = ["resolve", &task, "deep_b", "--result", "1"];
            folder.run(&database, &resolved).failed(1, "no step `deep_b`", &format!("tasker show {task}"));
        }
    }
}

#[tokio::test]
async fn changed_or_broken_files_are_in_the_way_of_nobody_who_looks_or_operates() {
    for database in databases().await {
        let folder = Folder::new();
        folder.put("moved.yaml", FIRST);
        folder.run(&database, &["run", "t/moved"]);
        let task = last_task(&database);
        folder.put("moved.yaml", &FIRST.replace("deep_a", "deeper"));
        folder.put("broken.yaml", "name: x\n");
        for command in [
            &["list"] as &[&str],
            &["show", &task],
            &["graph", &task],
            &["worker", "list"],
            &["dlq", "list"],
            &["retry", &task],
            &["cancel", &task],
        ] {
            let ran = folder.run(&database, command);
            assert_eq!(ran.code, 0, "{database}, {command:?}: {}", ran.err);
            assert!(!ran.err.contains("mistakes"), "{database}, {command:?}: {}", ran.err);
        }
        assert!(folder.run(&database, &["show", &task]).out.contains("cancelled"), "{database}");
    }
}

#[test]
fn looking_keeps_no_templates() {
    let (database, folder) = (fresh_sqlite(), Folder::new());
    folder.put("moved.yaml", FIRST);
    for command in [&["list"] as &[&str], &["worker", "list"], &["dlq", "list"], &["graph", "t/moved"]] {
        assert_eq!(folder.run(&database, command).code, 0);
    }
    folder.put("moved.yaml", &FIRST.replace("deep_a", "deeper"));
    let ran = folder.run(&database, &["submit", "t/moved"]);
    assert_eq!(ran.code, 0, "the first content was never kept: {}", ran.err);
}

#[test]
fn run_leaves_out_files_with_mistakes_that_are_about_other_templates() {
    let (database, folder) = (fresh_sqlite(), Folder::new());
    let good = "name: good\nnamespace: t\nsteps:\n  - { name: only, handler: panic_once, retry: { backoff: none } }\n";
    folder.put("good.yaml", good);
    folder.put("moved.yaml", FIRST);
    assert_eq!(folder.run(&database, &["submit", "t/moved"]).code, 0);
    folder.put("moved.yaml", &FIRST.replace("deep_a", "deeper"));
    let broken = folder.put("broken.yaml", "name: x\n");
    for command in ["run", "submit"] {
        let ran = folder.run(&database, &[command, "t/good"]);
        assert_eq!(ran.code, 0, "{}", ran.err);
        let warnings: Vec<&str> = ran.err.lines().filter(|line| line.starts_with("warning: ")).collect();
        assert_eq!(warnings.len(), 2, "{}", ran.err);
        assert!(warnings[0].contains(&format!("{broken} has mistakes and is left out")), "{}", ran.err);
        assert!(warnings[1].contains("template t/moved 1.0.0 is kept with other content"), "{}", ran.err);
    }
    folder.run(&database, &["run", "x"]).failed(2, "templates have mistakes", "tasker template check");
    assert_eq!(folder.run(&database, &["run", "t/moved"]).code, 2, "its own content changed");
    assert_eq!(folder.run(&database, &["run", "t/nothing"]).code, 3, "what is not there has not changed");
    for strict in [&["serve"] as &[&str], &["doctor"]] {
        assert_ne!(folder.run(&database, strict).code, 0, "{strict:?}");
    }
    let listed = folder.run(&database, &["template", "list"]);
    assert!(listed.out.contains("t/good"), "{}", listed.out);
    assert!(listed.code == 2 && listed.err.contains("templates have mistakes"), "{}", listed.err);
    assert!(folder.run(&database, &["template", "show", "t/good"]).out.contains("name: good"));
    folder.run(&database, &["template", "show", "x"]).failed(
        2,
        "templates have mistakes",
        "tasker template check",
    );
    assert_eq!(run(&database, &["template", "check", &broken]).code, 1);
    folder.put("broken.yaml", "steps: []\n");
    assert_eq!(folder.run(&database, &["run", "t/good"]).code, 2, "it may be about anything");
}
