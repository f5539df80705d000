//! What is counted is what the documentation says, and what happened.

use std::collections::{BTreeMap, BTreeSet};

use support::{
    stage::{step, template},
    world::worlds,
};
use uuid::Uuid;

use crate::Served;

/// Name, type and labels of metrics.
type Described = BTreeSet<(String, String, String)>;

/// The metrics as the documentation has them.
fn documented() -> Described {
    let text = include_str!("../../../docs/service.md");
    let (_, table) = text.split_once("| name | type | labels | what it is |").unwrap();
    let (table, _) = table.split_once("\n\n").unwrap();
    let row = |row: &str| {
        let cells: Vec<String> = row.split('|').map(|cell| cell.trim().replace('`', "")).collect();
        (cells[1].clone(), cells[2].clone(), cells[3].clone())
    };
    table.lines().skip(2).map(row).collect()
}

/// The same as a scrape has them, and every value by its name with labels.
fn scraped(page: &str) -> (Described, BTreeMap<String, f64>) {
    let (mut found, mut values) = (BTreeSet::new(), BTreeMap::new());
    let mut kinds = BTreeMap::new();
    for line in page.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert!(kinds.insert(name.to_owned(), kind.to_owned()).is_none(), "{name} is there twice");
        } else if !line.starts_with('#') {
            let (series, value) = line.rsplit_once(' ').unwrap();
            values.insert(series.to_owned(), value.parse().unwrap());
            let (name, labels) = series.split_once('{').unwrap_or((series, ""));
            let ends = ["_bucket", "_sum", "_count"];
            let base =
                ends.iter().find_map(|end| name.strip_suffix(end)).filter(|base| kinds.contains_key(*base));
            let name = base.unwrap_or(name);
            let labels = labels.trim_end_matches('}').split(',').filter_map(|label| label.split('=').next());
            let labels: Vec<&str> = labels.filter(|label| !label.is_empty() && *label != "le").collect();
            found.insert((name.to_owned(), kinds[name].clone(), labels.join(", ")));
        }
    }
    (found, values)
}

#[tokio::test]
async fn scrape_has_what_is_documented_and_counts_what_happened() {
    for world in worlds().await {
        let served = Served::start(&world, &template("plain", [step("only", &[])])).await;
        served.rested("plain", "{}").await;
        for _ in 0..3 {
            served.get(&format!("/v1/tasks/{}", Uuid::now_v7())).await;
        }
        served.send("BREW /v1/tasks", &[], "").await;
        served.get("/no/such/path").await;
        let key = r#"{"name": "ops", "role": "admin", "never_expires": true}"#;
        assert_eq!(served.post("/v1/keys", key).await.status, 201, "{}", world.database);
        assert_eq!(served.get("/v1/keys").await.status, 401, "{}", world.database);
        let answer = served.get("/metrics").await;
        assert!(
            answer.header("content-type").is_some_and(|kind| kind.starts_with("text/plain")),
            "{answer:?}"
        );
        let (mut found, values) = scraped(&answer.body);
        // Nothing was shed so far, so it has no series.
        found.insert(("tasker_http_shed_total".into(), "counter".into(), "reason".into()));
        assert_eq!(found, documented(), "{}", world.database);
        let value =
            |series: &str| *values.get(series).unwrap_or_else(|| panic!("no {series} in {values:#?}"));
        let requests = |route: &str, method: &str, code: u16| {
            value(&format!(
                "tasker_http_requests_total{{route=\"{route}\",method=\"{method}\",code=\"{code}\"}}"
            ))
        };
        let counted =
            |expected: f64, found: f64| assert!((expected - found).abs() < 0.5, "{expected}: {found}");
        counted(3.0, requests("/v1/tasks/{id}", "GET", 404));
        counted(1.0, requests("/v1/tasks", "POST", 200));
        counted(1.0, requests("/v1/tasks", "other", 405));
        counted(1.0, requests("other", "GET", 404));
        counted(3.0, value("tasker_http_request_seconds_count{route=\"/v1/tasks/{id}\"}"));
        counted(1.0, value("tasker_results_total"));
        counted(1.0, value("tasker_auth_failures_total{kind=\"no_credentials\"}"));
        counted(1.0, value("tasker_store_up"));
        counted(0.0, value("tasker_http_in_flight"));
        assert!(!answer.body.contains("no/such/path"), "{}", answer.body);
    }
}
