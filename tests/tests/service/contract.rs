//! The contract is what the routes do, and stands in the repository.

use std::{collections::BTreeSet, fs, path::Path};

use serde_json::{Map, Value};
use support::{
    stage::{step, template},
    world::worlds,
};
use uuid::Uuid;

use crate::Served;

fn contract() -> Value {
    serde_json::from_str(tasker_runtime::server::openapi()).unwrap()
}

/// Every operation: method, path and what is said of it.
fn operations(document: &Value) -> Vec<(String, String, Value)> {
    let paths = document["paths"].as_object().unwrap();
    let of_path = |(path, methods): (&String, &Value)| {
        let methods: &Map<String, Value> = methods.as_object().unwrap();
        let one = |(method, said): (&String, &Value)| (method.to_uppercase(), path.clone(), said.clone());
        methods.iter().map(one).collect::<Vec<_>>()
    };
    paths.iter().flat_map(of_path).collect()
}

#[test]
fn contract_in_the_repository_is_that_of_the_program() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/openapi.json");
    if std::env::var_os("TASKER_WRITE_OPENAPI").is_some() {
        fs::write(&file, tasker_runtime::server::openapi()).unwrap();
    }
    let kept = fs::read_to_string(&file).unwrap_or_default();
    assert!(
        kept == tasker_runtime::server::openapi(),
        "docs/openapi.json differs from the routes: look at what changed for clients, and write it with \
         TASKER_WRITE_OPENAPI=1 cargo test -p tasker-tests --test service contract"
    );
}

#[test]
fn contract_is_plain_for_those_who_generate_clients() {
    fn walk(value: &Value, at: &str) {
        match value {
            Value::Object(object) => {
                assert!(!object.get("type").is_some_and(Value::is_array), "{at}: several types");
                assert!(!object.contains_key("oneOf") && !object.contains_key("anyOf"), "{at}: a union");
                object.iter().for_each(|(name, value)| walk(value, &format!("{at}/{name}")));
            }
            Value::Array(items) => {
                items.iter().enumerate().for_each(|(n, item)| walk(item, &format!("{at}/{n}")));
            }
            _ => {}
        }
    }
    let document = contract();
    walk(&document, "");
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    let operations = operations(&document);
    let ids: BTreeSet<&str> =
        operations.iter().map(|(.., said)| said["operationId"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), operations.len(), "each operation has an id of its own");
    let text = document.to_string();
    let schemas = document["components"]["schemas"].as_object().unwrap();
    for reference in text.split("#/components/schemas/").skip(1) {
        let name = reference.split('"').next().unwrap();
        assert!(schemas.contains_key(name), "{name} is named and not there");
    }
    for (method, path, said) in &operations {
        let problem = &said["responses"]["default"]["content"]["application/problem+json"]["schema"];
        assert_eq!(problem["$ref"], "#/components/schemas/Problem", "{method} {path}");
        assert!(said["summary"].as_str().is_some_and(|summary| !summary.is_empty()), "{method} {path}");
    }
}

/// A path with values where it has parameters.
fn filled(path: &str) -> String {
    let path = path.replace("{id}", &Uuid::nil().to_string()).replace("{namespace}", "test");
    let path = path.replace("{name}", "nothing").replace("{step}", "nothing");
    let path = path.replace("{key}", "nothing");
    assert!(!path.contains('{'), "{path}: a parameter that is not known here");
    path
}

#[tokio::test]
async fn every_operation_of_the_contract_knows_what_the_contract_says() {
    for world in worlds().await {
        let served = Served::start(&world, &template("plain", [step("only", &[])])).await;
        let document = contract();
        let operations = operations(&document);
        assert!(operations.len() >= 30, "{}", operations.len());
        for (method, path, said) in &operations {
            let at = filled(path);
            let answer = served.send(&format!("{method} {at}?nonsense=1"), &[], "").await;
            let is_health = path.starts_with("/health");
            assert!(is_health || matches!(answer.status, 400 | 422), "{method} {path}: {answer:?}");
            let names = |value: &Value, place: &str| -> Vec<String> {
                let items = value["parameters"].as_array().cloned().unwrap_or_default();
                let mine = items.iter().filter(|parameter| parameter["in"] == place);
                mine.map(|parameter| parameter["name"].as_str().unwrap().to_owned()).collect()
            };
            for name in names(said, "query") {
                let answer = served.send(&format!("{method} {at}?{name}=x"), &[], "").await;
                assert!(!answer.body.contains("unknown_parameter"), "{method} {path} {name}: {answer:?}");
            }
            let body = &said["requestBody"]["content"]["application/json"]["schema"]["$ref"];
            let Some(schema) = body.as_str().and_then(|name| name.rsplit('/').next()) else { continue };
            let schema = &document["components"]["schemas"][schema];
            assert_eq!(
                schema["additionalProperties"], false,
                "{method} {path}: what is not known is refused"
            );
            let properties = schema["properties"].as_object().unwrap();
            for name in properties.keys() {
                let answer =
                    served.send(&format!("{method} {at}"), &[], &format!(r#"{{"{name}": {{}}}}"#)).await;
                assert!(!answer.body.contains("unknown_field"), "{method} {path} {name}: {answer:?}");
            }
            let unknown = served.send(&format!("{method} {at}"), &[], r#"{"nonsense": 1}"#).await;
            assert!(unknown.body.contains("unknown_field"), "{method} {path}: {unknown:?}");
        }
        let sent = served.get("/v1/openapi.json").await;
        assert_eq!(sent.body, tasker_runtime::server::openapi());
        assert_eq!(world.count("select count(*) from tasker.tasks").await, 0, "{}", world.database);
    }
}
