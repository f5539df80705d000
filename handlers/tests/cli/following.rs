//! What is seen of a task while it runs.

use std::{
    io::{BufRead, BufReader},
    process::Stdio,
};

use support::databases;

use crate::ran::{Folder, WAITS, run, tasker};

#[tokio::test]
async fn resume_tells_of_every_step_from_the_first() {
    for database in databases().await {
        let submitted = run(&database, &["submit", "diamond_workflow/parallel_processing"]).out;
        let ran = run(&database, &["resume", submitted.trim()]);
        let steps = ["parallel_start", "parallel_branch_b", "parallel_branch_c", "parallel_end"]
            .map(|step| (step, "●"));
        for (step, sign) in steps.into_iter().chain(steps.map(|(step, _)| (step, "✓"))) {
            let told = ran.err.lines().filter(|line| line.starts_with(&format!("{step}  {sign}"))).count();
            assert_eq!(told, 1, "{database}, {step} {sign}: {}", ran.err);
        }
    }
}

#[tokio::test]
async fn watch_shows_what_another_process_does_while_it_does_it() {
    for database in databases().await {
        let folder = Folder::new();
        folder.put("waits.yaml", WAITS);
        let submitted = folder.run(&database, &["submit", "t/waits"]).out;
        let task = submitted.trim();
        let start = |command| {
            let mut process = tasker(&database, &[command, task, "--timeout", "300"]);
            process.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
        };
        let (mut watch, mut resumed) = (start("watch"), start("resume"));
        let mut seen = Vec::new();
        for line in BufReader::new(watch.stderr.take().unwrap()).lines().map(Result::unwrap) {
            seen.push(line);
            if seen.len() == 2 {
                break;
            }
        }
        for process in [&mut watch, &mut resumed] {
            process.kill().unwrap();
            process.wait().unwrap();
        }
        assert!(seen[0].starts_with("first  ✓ complete"), "{database}: {seen:?}");
        assert!(seen[1].starts_with("second  ↻ waiting_for_retry INJECTED"), "{database}: {seen:?}");
    }
}
