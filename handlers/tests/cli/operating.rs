//! What operators are told.

use support::{databases, fresh_postgres, world::World};

use crate::ran::{last_task, run};

#[tokio::test]
async fn skip_says_before_and_after_what_it_leaves_out() {
    for database in databases().await {
        let order = r#"{"even_number": 7}"#;
        run(&database, &["run", "linear_workflow/mathematical_sequence", "--input", order]);
        let task = last_task(&database);
        let skipped = run(&database, &["skip", &task, "linear_step_1"]);
        let said: Vec<&str> = skipped.err.lines().collect();
        let others = "`linear_step_2`, `linear_step_3`, `linear_step_4`";
        assert_eq!(
            (skipped.code, said[0], said[1]),
            (
                0,
                &*format!("skip: without `linear_step_1`, these are left out as well: {others}"),
                "skip: left out as well: linear_step_2, linear_step_3, linear_step_4"
            ),
            "{database}: {said:?}"
        );
        let steps = run(&database, &["show", &task, "-o", "json"]).json();
        let states: Vec<&str> =
            steps["steps"].as_array().unwrap().iter().map(|step| step["state"].as_str().unwrap()).collect();
        assert_eq!(states, ["skipped"; 4], "{database}");
    }
}

#[tokio::test]
async fn prune_deletes_what_is_over_and_says_how_many_that_were() {
    for database in databases().await {
        let order = r#"{"even_number": 6}"#;
        for key in ["one", "two"] {
            let sequence = "linear_workflow/mathematical_sequence";
            run(&database, &["run", sequence, "--input", order, "--idempotency-key", key]);
        }
        let said = |arguments: &[&str]| {
            let all: Vec<&str> = ["db", "prune"].iter().chain(arguments).copied().collect();
            let ran = run(&database, &all);
            (ran.code, ran.out.trim().to_owned(), ran.err)
        };
        let ok = |text: &str| (0, text.to_owned(), String::new());
        assert_eq!(said(&["--older-than", "1d"]), ok("0 tasks deleted"), "{database}");
        let last = ["--older-than", "0s", "--state", "error"];
        assert_eq!(said(&last), ok("0 tasks deleted"), "{database}");
        assert_eq!(said(&["--older-than", "0s", "--dry-run"]), ok("2 tasks would be deleted"), "{database}");
        let all = ok("2 tasks and 2 idempotency keys deleted");
        assert_eq!(said(&["--older-than", "0s"]), all, "{database}");
        assert_eq!(run(&database, &["list", "-o", "json"]).json(), serde_json::json!([]), "{database}");
        let json = run(&database, &["db", "prune", "--older-than", "0s", "-o", "json"]).json();
        let none = serde_json::json!({"tasks": 0, "idempotency_keys": 0, "dry_run": false});
        assert_eq!(json, none, "{database}");

        let running = run(&database, &["db", "prune", "--older-than", "1d", "--state", "paused"]);
        running.failed(2, "a task that is paused is not over, and is never deleted", "tasker --help");
        let wrong = run(&database, &["db", "prune", "--older-than", "thirty"]);
        let problem = "`thirty` is not a length of time such as 30d, 12h or 90m";
        assert!(wrong.code == 2 && wrong.err.contains(problem), "{}", wrong.err);
    }
}

#[tokio::test]
async fn doctor_counts_the_connections_that_a_worker_needs() {
    let world = World::on(fresh_postgres().await);
    let told = run(&world.database, &["doctor"]);
    assert!(told.code == 0 && told.out.contains("a worker keeps 5 and up to 14; "), "{}", told.out);
    let name = world.column("select current_database()").await.remove(0);
    world.change(&format!("alter database {name} connection limit 4")).await;
    let told = run(&world.database, &["doctor"]);
    let wrong = "a worker keeps 5 and up to 14; the database allows 4, of which ";
    assert!(
        told.code == 1 && told.out.contains(wrong) && told.out.contains("stop something"),
        "{}",
        told.out
    );
}
