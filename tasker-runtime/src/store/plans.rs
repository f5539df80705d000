//! PostgreSQL finds what the hot statements are about by index, whatever it believes its tables hold.

use serde_json::Value;
use sqlx::AssertSqlSafe;
use support::fresh_postgres;

use super::{Connection, Options, Statement, Store, connection::Link, postgres::PINNED_PLANS, sql};

/// A statement, values to plan it for, and the indexes it has to go by.
struct Case {
    name: &'static str,
    statement: &'static Statement,
    values: String,
    indexes: &'static [&'static str],
}

/// The tables that grow with the work.
const LARGE: [&str; 13] = [
    "events",
    "parked",
    "turns",
    "schedules",
    "signals",
    "tasks",
    "runs",
    "steps",
    "attempts",
    "idempotency_keys",
    "checkpoints",
    "audit",
    "offers",
];

/// What makes a statement wait for all of its rows.
const GATHERING: &[&str] = &["Hash Join", "Merge Join", "Bitmap Heap Scan", "Sort"];

const RUNS: &[&str] = &["runs_pkey"];

/// What the engine's own connections run all the time.
fn hot() -> Vec<Case> {
    let case = |name, statement, values: &str, indexes| {
        let values = values.replace("ints", "array[1, 2]").replace("texts", "array['1', '2']");
        Case { name, statement, values, indexes }
    };
    let record = "ints, ints, ints, ints, ints, ints, texts, ints, ints, ints, ints, ints, texts, 1";
    let append = "ints, ints, ints, ints, ints, ints, ints, texts, ints, ints, ints, ints, ints, ints, ints, texts, 1, 1";
    vec![
        case("claim", &sql::CLAIM, "'test', 1, 1, 500", &["runs_queue", "runs_pkey", "tasks_pkey"]),
        case("next_due", &sql::NEXT_DUE, "'test', 1", &["runs_queue"]),
        case("due", &sql::DUE, "array['test', 'other']", &["runs_queue"]),
        case("record", &sql::RECORD, record, RUNS),
        case("append", &sql::APPEND, append, &["runs_pkey", "offers_pkey"]),
        case("held", &sql::HELD, "ints, ints, 1", RUNS),
        case("forget_rounds", &sql::FORGET_ROUNDS, "ints, ints, ints", &["attempts_pkey"]),
        case("offer", &sql::OFFER, "ints, ints, ints, ints, ints, texts, texts, texts, 1", RUNS),
    ]
}

/// What connections of the pool run: for those who submit, wait, look and operate.
fn pooled() -> Vec<Case> {
    const UUID: &str = "'0198c1c0-5b7e-7a31-9c2d-1f4e6a8b0c3d'";
    let case = |name, statement, values: &str, indexes| {
        let values = values.replace("uuid", UUID).replace("ints", "array[1, 2]");
        Case { name, statement, values, indexes }
    };
    vec![
        case("heartbeat", &sql::HEARTBEAT, "1, 1, 1, null", &[]),
        case("commands", &sql::COMMANDS, "1", &["runs_pkey"]),
        case("take_back", &sql::TAKE_BACK, "1, 1, 1", &["runs_held"]),
        case("held_by", &sql::HELD_BY, "1", &["runs_held"]),
        case("outcome", &sql::OUTCOME, "uuid, ints, 10", &["tasks_uuid_key", "runs_pkey", "steps_pkey"]),
        case("audit_trail", &sql::AUDIT_TRAIL, "1, 0, 50", &["audit_task"]),
        case("find_task", &sql::FIND_TASK, "uuid", &["tasks_uuid_key", "runs_pkey"]),
        case("lock_run", &sql::LOCK_RUN, "uuid", &["tasks_uuid_key", "runs_pkey"]),
        case(
            "list_tasks",
            &sql::LIST_TASKS,
            "1, 1, null, null, null, null, null, null, 1, null, null, 'DOWN', 1",
            &["tasks_pkey", "runs_pkey", "attempts_pkey", "steps_pkey"],
        ),
        case(
            "in_flight_tasks",
            &sql::IN_FLIGHT_TASKS,
            "1, 1",
            &["runs_queue", "runs_resting", "runs_held", "tasks_pkey"],
        ),
        case(
            "in_flight_counts",
            &sql::IN_FLIGHT_COUNTS,
            "",
            &["runs_queue", "runs_resting", "runs_held", "tasks_pkey"],
        ),
        case("list_edge", &sql::LIST_EDGE, "1, 1", &["tasks_pkey"]),
        case("last_task", &sql::LAST_TASK, "1", &["tasks_pkey"]),
        case(
            "revisions",
            &sql::REVISIONS,
            "array[uuid, uuid]::UUID[]",
            &["tasks_uuid_key", "runs_pkey", "steps_pkey", "attempts_pkey"],
        ),
        case("pinned_template", &sql::PINNED_TEMPLATE, "uuid", &["tasks_uuid_key"]),
        case("begin_with_journal", &sql::BEGIN_WITH_JOURNAL, "1", &["runs_pkey"]),
        case("set_origin", &sql::SET_ORIGIN, "1, '{}'", &["tasks_pkey"]),
        case("task_number", &sql::TASK_NUMBER, "uuid", &["tasks_uuid_key"]),
        case("offers_of", &sql::OFFERS_OF, "ints", &["offers_pkey"]),
        case("journal", &sql::JOURNAL, "ints", &["steps_pkey"]),
        case("failures", &sql::FAILURES, "ints", &["attempts_pkey"]),
        case("step_workers", &sql::STEP_WORKERS, "1", &["steps_pkey", "attempts_pkey"]),
        case("task_data", &sql::TASK_DATA, "ints", &["tasks_pkey"]),
        case("load_checkpoint", &sql::LOAD_CHECKPOINT, "1, 1", &["checkpoints_pkey"]),
        case("task_offers", &sql::TASK_OFFERS, "1", &["offers_pkey"]),
        case("signals", &sql::SIGNALS, "ints", &["signals_pkey"]),
        case("signal_counts", &sql::SIGNAL_COUNTS, "1", &["signals_pkey"]),
        case("signals_used", &sql::SIGNALS_USED, "1, ints", &["steps_pkey"]),
        case("signal_of_key", &sql::SIGNAL_OF_KEY, "1, 'a'", &["signals_key"]),
        case("answer", &sql::ANSWER, "1", &["audit_pkey"]),
        case("events", &sql::EVENTS, "1, 500, 500", &["events_position_key", "tasks_pkey"]),
        case("task_events", &sql::TASK_EVENTS, "uuid, 0, 500", &["tasks_uuid_key", "events_pkey"]),
        case("parked_of", &sql::PARKED_OF, "1, 1", &["parked_pkey"]),
        case("unpark", &sql::UNPARK, "1, ints", &["parked_pkey"]),
        case("retry_dead", &sql::RETRY_DEAD, "1, null, 1", &["parked_dead"]),
        case("dead_deliveries", &sql::DEAD_DELIVERIES, "100", &["parked_dead", "events_position_key"]),
        case("dead_letters", &sql::DEAD_LETTERS, "1", &["tasks_pkey"]),
        case("find_key", &sql::FIND_KEY, "'a', 'b', 'c'", &["idempotency_keys_pkey"]),
        case("find_keys", &sql::FIND_KEYS, "array['a'], array['b'], array['c']", &["idempotency_keys_pkey"]),
        case("step_results", &sql::STEP_RESULTS, "array[1, 2], array[0, 0]", &["steps_pkey"]),
        case("step_failures", &sql::STEP_FAILURES, "array[1, 2], array[0, 0]", &["attempts_pkey"]),
        case("due_schedules", &sql::DUE_SCHEDULES, "array['a', 'b'], 100", &["schedules_due"]),
        case("schedule", &sql::SCHEDULE, "'a'", &["schedules_pkey"]),
        case("schedules", &sql::SCHEDULES, "'a', 100", &["schedules_pkey"]),
        case("lock_schedules", &sql::LOCK_SCHEDULES, "array['a', 'b']", &["schedules_pkey"]),
        case("open_tasks", &sql::OPEN_TASKS, "array[uuid, uuid]::UUID[]", &["tasks_uuid_key", "runs_pkey"]),
        case("turns_before", &sql::TURNS_BEFORE, "'a', 1", &["turns_line", "turns_taken", "runs_pkey"]),
        case("turn_keys", &sql::TURN_KEYS, "ints", &["turns_pkey"]),
        case("taken_turns", &sql::TAKEN_TURNS, "array['a']", &["turns_taken", "runs_pkey", "tasks_pkey"]),
        case("turn_of", &sql::TURN_OF, "1", &["turns_pkey", "turns_line"]),
        case("turn_lines", &sql::TURN_LINES, "'a'", &["turns_line"]),
        case(
            "give_turns",
            &sql::GIVE_TURNS,
            "array['a', 'b']",
            &["turns_line", "turns_taken", "turns_pkey", "runs_pkey"],
        ),
        case("children", &sql::CHILDREN, "1, 0", &["children_pkey", "tasks_pkey", "runs_pkey"]),
        case(
            "children_counts",
            &sql::CHILDREN_COUNTS,
            "1, 0, 1",
            &["children_open", "children_failed", "children_pkey"],
        ),
        case("hold_parent", &sql::HOLD_PARENT, "1, 1, 1", &["runs_pkey", "tasks_pkey", "children_child"]),
        case("set_parent", &sql::SET_PARENT, "1, ints", &["tasks_pkey"]),
        case("lock_family", &sql::LOCK_FAMILY, "ints", &["runs_pkey", "children_child"]),
        case("children_ended", &sql::CHILDREN_ENDED, "ints, 10", &["children_child", "runs_pkey"]),
        case("tell_parents", &sql::TELL_PARENTS, "ints, 1, '\"deliver\"'", &["runs_pkey", "commands_task"]),
        case("wake_parents", &sql::WAKE_PARENTS, "ints, 1, 2, 3, 0", &["runs_pkey", "dead_letters_pkey"]),
        case("ask_children", &sql::ASK_CHILDREN, "ints, 1, '\"cancel\"'", &["children_open"]),
        case("kin", &sql::KIN, "1, 1000", &["children_pkey", "tasks_pkey", "runs_pkey"]),
        case("parent", &sql::PARENT, "1", &["children_child", "tasks_pkey"]),
        case("prune_edge", &sql::PRUNE_EDGE, "1, 500", &["tasks_pkey"]),
        case("prunable", &sql::PRUNABLE, "1, 500, 1, 10, 13", &["runs_pkey"]),
        case("prune", &sql::PRUNE, "1, 500, 1, 10, 13", &["runs_pkey", "steps_pkey", "attempts_pkey"]),
        case("keys_edge", &sql::KEYS_EDGE, "'a', 'b', 'c', 500", &["idempotency_keys_pkey"]),
        case(
            "prune_keys",
            &sql::PRUNE_KEYS,
            "'a', 'b', 'c', 'd', 'e', 'f', 1",
            &["idempotency_keys_pkey", "tasks_uuid_key"],
        ),
    ]
}

/// One node of a plan.
#[derive(Debug)]
struct Node {
    kind: String,
    table: String,
    index: String,
}

/// The plan itself and everything below it.
fn nodes(plan: &Value) -> Vec<Node> {
    let text = |key| plan[key].as_str().unwrap_or_default().to_owned();
    let own = Node { kind: text("Node Type"), table: text("Relation Name"), index: text("Index Name") };
    let below = plan["Plans"].as_array().into_iter().flatten().flat_map(nodes);
    [own].into_iter().chain(below).collect()
}

/// Runs statements that take no values, one after the other.
async fn run(connection: &mut Connection, text: impl Into<String>) -> Vec<sqlx::postgres::PgRow> {
    let text = AssertSqlSafe(text.into());
    match connection.link() {
        Link::Postgres(own) => sqlx::raw_sql(text).fetch_all(&mut **own).await.unwrap(),
        Link::Pooled(pooled) => sqlx::raw_sql(text).fetch_all(&mut **pooled).await.unwrap(),
        _ => panic!("this needs PostgreSQL"),
    }
}

/// The nodes of the plan PostgreSQL follows for the text the engine runs.
async fn planned(connection: &mut Connection, case: &Case) -> Vec<Node> {
    run(connection, format!("prepare looked_at as {}", case.statement.postgres())).await;
    let values = if case.values.is_empty() { String::new() } else { format!("({})", case.values) };
    let explain = format!("explain (format json) execute looked_at {values}");
    let rows = run(connection, explain).await;
    let text: String = sqlx::Row::get_unchecked(&rows[0], 0);
    run(connection, "deallocate looked_at").await;
    let plans: Value = serde_json::from_str(&text).unwrap();
    nodes(&plans[0]["Plan"])
}

/// Nobody reads a large table whole; in the hot statements nothing is gathered before it goes on either.
async fn go_by_index(connection: &mut Connection, cases: &[Case], gathering: &[&str], statistics: &str) {
    for case in cases {
        let nodes = planned(connection, case).await;
        for index in case.indexes {
            let by_index = nodes.iter().any(|node| node.index == *index);
            assert!(by_index, "{statistics}: {} without {index}: {nodes:#?}", case.name);
        }
        for node in &nodes {
            let whole = node.kind == "Seq Scan" && LARGE.contains(&&*node.table);
            let slow = whole || gathering.contains(&&*node.kind);
            assert!(!slow, "{statistics}: {} with {node:?}: {nodes:#?}", case.name);
        }
    }
}

/// Half of them wait; the others are over, and their rows still name the fifty workers that had them.
const HUNDRED_THOUSAND_TASKS: &str = "
    insert into tasker.tasks (uuid, template_id, correlation_id, created_at, context)
    select md5(n::text)::uuid, 1, md5(n::text)::uuid, n, '{}' from generate_series(1, 100000) n;
    insert into tasker.runs (task_id, run_at, queue, owner, finished_at, state)
    select n, n, 'test', case when n % 2 = 0 then n / 2 % 50 end, case when n % 2 = 0 then n end, case when n % 2 = 0 then 10 else 0 end
    from generate_series(1, 100000) n;
    insert into tasker.steps (task_id, started_at, finished_at, worker, step, attempt, result)
    select n, n, n, 1, 0, 1, '1' from generate_series(2, 100000, 2) n;";

#[tokio::test]
async fn hot_statements_go_by_index_whatever_the_statistics_say() {
    let database = fresh_postgres().await;
    let store = Store::open(&database.url, Options::default()).await.unwrap();
    let mut session = store.session();
    let (mut own, mut pooled_one) = (session.open().await.unwrap(), store.writer().await.unwrap());
    let (hot, pooled) = (hot(), pooled());
    // The statistics are to be as old as the test says.
    for table in LARGE.iter().chain(&["workers", "templates"]) {
        run(&mut own, format!("alter table tasker.{table} set (autovacuum_enabled = off)")).await;
    }
    let none = "no statistics, no rows";
    go_by_index(&mut own, &hot, GATHERING, none).await;
    go_by_index(&mut pooled_one, &pooled, &[], none).await;
    run(&mut own, HUNDRED_THOUSAND_TASKS).await;
    let unknown = "no statistics, many rows";
    go_by_index(&mut own, &hot, GATHERING, unknown).await;
    go_by_index(&mut pooled_one, &pooled, &[], unknown).await;
    run(&mut own, "truncate tasker.tasks, tasker.runs, tasker.steps").await;
    run(&mut own, "analyze").await;
    run(&mut own, HUNDRED_THOUSAND_TASKS).await;
    let stale = "statistics from before the rows";
    go_by_index(&mut own, &hot, GATHERING, stale).await;
    go_by_index(&mut pooled_one, &pooled, &[], stale).await;
    run(&mut own, "vacuum analyze").await;
    go_by_index(&mut own, &hot, GATHERING, "fresh statistics").await;
    go_by_index(&mut pooled_one, &pooled, &[], "fresh statistics").await;
    run(&mut own, "delete from tasker.runs where task_id > 10").await;
    go_by_index(&mut own, &hot, GATHERING, "statistics of many rows that are gone").await;
}

#[tokio::test]
async fn every_connection_pins_its_plans() {
    let database = fresh_postgres().await;
    let store = Store::open(&database.url, Options::default()).await.unwrap();
    for mut connection in [store.session().open().await.unwrap(), store.reader().await.unwrap()] {
        for setting in ["plan_cache_mode", "enable_hashjoin", "enable_mergejoin", "enable_seqscan", "jit"] {
            assert!(PINNED_PLANS.contains(setting));
            let rows = run(&mut connection, format!("show {setting}")).await;
            let value: String = sqlx::Row::get_unchecked(&rows[0], 0);
            let meant = if setting == "plan_cache_mode" { "force_generic_plan" } else { "off" };
            assert_eq!(value, meant, "{setting}");
        }
    }
}

/// Of each hundred thousand tasks: delayed for long, paused, blocked, and over, by worker 1.
const NOTHING_DUE: &str = "
    insert into tasker.runs (task_id, run_at, queue, owner, finished_at, state)
    select n, case when n % 4 = 0 then 4000000000000000 + n else 9223372036854775807 end, 'test',
        case when n % 4 = 3 then 1 end, case when n % 4 = 3 then n end, (array[0, 5, 3, 10])[n % 4 + 1]
    from generate_series(1, 100000) n;
    insert into tasker.workers (name, started_at, seen_at, expires_at, handlers)
    values ('one', 1, 1, 1, '[]'), ('two', 1, 1, 1, '[]')";

#[tokio::test]
async fn what_is_not_due_costs_a_look_at_the_queue_nothing() {
    let database = fresh_postgres().await;
    let store = Store::open(&database.url, Options::default()).await.unwrap();
    let mut connection = store.session().open().await.unwrap();
    run(&mut connection, NOTHING_DUE).await;
    run(&mut connection, "vacuum analyze tasker.runs").await;
    let looks = [
        ("claim", &sql::CLAIM, "'test', 1700000000000000, 2, 500"),
        ("next_due", &sql::NEXT_DUE, "'test', 1700000000000000"),
        ("take_back", &sql::TAKE_BACK, "1, 1, 1"),
        ("held_by", &sql::HELD_BY, "1"),
    ];
    for (name, statement, values) in looks {
        run(&mut connection, format!("prepare looked_at as {}", statement.postgres())).await;
        let explain = format!("explain (analyze, buffers, format json) execute looked_at ({values})");
        let rows = run(&mut connection, explain).await;
        run(&mut connection, "deallocate looked_at").await;
        let text: String = sqlx::Row::get_unchecked(&rows[0], 0);
        let plan = &serde_json::from_str::<Value>(&text).unwrap()[0]["Plan"];
        let pages =
            plan["Shared Hit Blocks"].as_u64().unwrap() + plan["Shared Read Blocks"].as_u64().unwrap();
        assert!(pages < 50, "{name} reads {pages} pages: {plan:#}");
    }
}

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn sqlite_finds_tasks_by_their_keys_and_what_a_worker_holds_by_index() {
    let database = support::fresh_sqlite();
    let store = Store::open(&database.url, Options::default()).await.unwrap();
    let mut connection = store.writer().await.unwrap();
    let by_key = "USING INTEGER PRIMARY KEY";
    for (statement, way) in [
        (&sql::RECORD, by_key),
        (&sql::APPEND, by_key),
        (&sql::HELD, by_key),
        (&sql::PROGRESSED, by_key),
        (&sql::NOT_DEAD, by_key),
        (&sql::LET_GO, by_key),
        (&sql::TAKE_BACK, "USING INDEX runs_held"),
        (&sql::HELD_BY, "USING INDEX runs_held"),
        (&sql::LOANS_NOT_DEAD, ""),
    ] {
        for part in super::on_databases::parts(statement.sqlite()) {
            let explain = Box::leak(format!("explain query plan {part}").into_boxed_str());
            let explain: &'static Statement = Box::leak(Box::new(Statement::twin(explain, explain)));
            for row in connection.fetch(explain, &[]).await.unwrap() {
                let step = row.text(3).unwrap();
                let table = step.split(' ').nth(1).unwrap_or_default();
                let large = ["runs", "r", "offers", "o", "steps", "s", "attempts", "a"].contains(&table);
                assert!(!(large && step.starts_with("SCAN")), "{part}: {step}");
                assert!(!["runs", "r"].contains(&table) || step.contains(way), "{part}: {step}");
            }
        }
    }
}

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn sqlite_finds_open_tasks_without_a_walk_over_those_that_are_over() {
    let database = support::fresh_sqlite();
    let store = Store::open(&database.url, Options::default()).await.unwrap();
    let mut connection = store.writer().await.unwrap();
    for statement in [&sql::IN_FLIGHT_TASKS, &sql::IN_FLIGHT_COUNTS] {
        let explain = Box::leak(format!("explain query plan {}", statement.sqlite()).into_boxed_str());
        let explain: &'static Statement = Box::leak(Box::new(Statement::twin(explain, explain)));
        let rows = connection.fetch(explain, &[]).await.unwrap();
        let steps: Vec<&str> = rows.iter().map(|row| row.text(3).unwrap()).collect();
        for index in ["runs_queue", "runs_resting", "runs_held"] {
            let way = format!("runs USING INDEX {index}");
            assert!(steps.iter().any(|step| step.contains(&way)), "without {index}: {steps:#?}");
        }
        let whole = |step: &&&str| step.contains(" runs") && !step.contains(" USING INDEX runs_");
        assert_eq!(steps.iter().find(whole), None, "{steps:#?}");
    }
}
