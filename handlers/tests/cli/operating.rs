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
