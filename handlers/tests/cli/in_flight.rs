//! What is said of open tasks before a deployment.

use serde_json::json;
use support::{databases, fresh_sqlite};

use crate::ran::{Folder, last_task, run, tasker};

const SEQUENCE: &str = "linear_workflow/mathematical_sequence";

#[tokio::test]
async fn open_tasks_are_listed_by_template_and_looked_at_one_by_one() {
    for database in databases().await {
        run(&database, &["run", SEQUENCE, "--input", r#"{"even_number": 7}"#]);
        run(&database, &["run", SEQUENCE, "--input", r#"{"even_number": 6}"#]);
        let listed = run(&database, &["template", "list", "--in-flight", "-o", "json"]).json();
        let line = &listed[0];
        assert_eq!(listed.as_array().unwrap().len(), 1, "{database}: {listed}");
        assert_eq!((&line["template"], &line["tasks"]), (&json!("mathematical_sequence"), &json!(1)));
        assert_eq!((&line["version"], &line["here"]), (&json!("1.0.0"), &json!("same")), "{database}");
        let table = run(&database, &["template", "list", "--in-flight"]);
        assert!(table.out.contains(&line["digest"].as_str().unwrap()[..12]), "{database}: {}", table.out);
        let well = run(&database, &["doctor", "--in-flight"]);
        let said = "ok     1 task not over: this program can go on with all of them\n";
        assert_eq!((well.code, &*well.out), (0, said), "{database}: {}", well.err);
    }
}

#[test]
fn task_whose_handler_is_not_there_is_named_and_the_exit_code_says_so() {
    let (database, folder) = (fresh_sqlite(), Folder::new());
    folder.put("haunted.yaml", "name: haunted\nnamespace: t\nsteps:\n  - { name: first, handler: ghost }\n");
    let mut command = tasker(&database, &["submit", "t/haunted", "--templates", folder.path()]);
    let submitted = command.env("TASKER_HANDLERS_PARTIAL", "true").output().unwrap();
    assert!(submitted.status.success(), "{}", String::from_utf8_lossy(&submitted.stderr));
    let task = last_task(&database);
    let told = run(&database, &["doctor", "--in-flight"]);
    let detail =
        "1 task: `first` calls `ghost`, which this program does not have, nor has a worker that runs now";
    assert_eq!(told.code, 1, "{}", told.err);
    assert!(told.out.starts_with("wrong  t/haunted 1.0.0 "), "{}", told.out);
    assert!(told.out.contains(detail) && told.out.contains(&task), "{}", told.out);
    let data = run(&database, &["doctor", "--in-flight", "-o", "json"]);
    let problem = &data.json()["problems"][0];
    assert_eq!((data.code, &problem["code"]), (1, &json!("HANDLER_MISSING")));
    assert_eq!(problem["examples"], json!([task]));
    let listed = run(&database, &["template", "list", "--in-flight", "-o", "json"]).json();
    assert_eq!(listed[0]["here"], "nothing", "{listed}");
}
