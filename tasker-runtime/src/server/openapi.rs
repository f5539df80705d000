//! The contract of the service, an OpenAPI 3.1 document that is made of its routes.

use std::sync::LazyLock;

use serde_json::{Map, Value, json};
use utoipa::openapi::{InfoBuilder, OpenApi, OpenApiBuilder};

use super::{
    auth::table::{self, Need},
    problem::{Document, FieldError},
    rest,
};

/// The OpenAPI 3.1 document of the service, as `GET /v1/openapi.json` answers it.
///
/// ```
/// let document: serde_json::Value = serde_json::from_str(tasker_runtime::server::openapi())?;
/// assert_eq!(document["paths"]["/v1/tasks"]["post"]["operationId"], "submit_task");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[must_use]
pub fn document() -> &'static str {
    static DOCUMENT: LazyLock<String> = LazyLock::new(|| {
        let mut document = serde_json::to_value(rest::contract()).unwrap_or_default();
        make_plain(&mut document);
        add_problems(&mut document);
        add_permissions(&mut document);
        close_bodies(&mut document);
        format!("{document:#}\n")
    });
    &DOCUMENT
}

/// What the document says besides the routes.
pub(super) fn base() -> OpenApi {
    let description = "Submits, runs, shows and operates durable tasks. Names of states may be added, and fields to \
                       answers; requests with fields or parameters that are not known are refused.";
    let info = InfoBuilder::new().title("Tasker").version("1").description(Some(description)).build();
    let schemas = utoipa::openapi::ComponentsBuilder::new().schema_from::<Document>();
    let schemas = schemas.schema_from::<FieldError>();
    OpenApiBuilder::new().info(info).components(Some(schemas.build())).build()
}

/// What is optional may be absent and is never `null`: generators of clients make plain types of that.
fn make_plain(value: &mut Value) {
    match value {
        Value::Object(object) => {
            if let Some(Value::Array(types)) = object.get_mut("type") {
                types.retain(|kind| kind != "null");
                if let [one] = &types[..] {
                    let one = one.clone();
                    object.insert("type".to_owned(), one);
                }
            }
            unite(object);
            object.values_mut().for_each(make_plain);
        }
        Value::Array(items) => items.iter_mut().for_each(make_plain),
        _ => {}
    }
}

/// Of a choice between something and `null`, the something.
fn unite(object: &mut Map<String, Value>) {
    let Some(Value::Array(choices)) = object.get_mut("oneOf") else { return };
    choices.retain(|choice| choice["type"] != "null");
    let [Value::Object(one)] = &choices[..] else { return };
    let one = one.clone();
    object.remove("oneOf");
    object.extend(one);
}

/// Every operation may answer a problem.
fn add_problems(document: &mut Value) {
    let content = json!({"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}});
    let problem = json!({"description": "Why it was not done.", "content": content});
    let Some(paths) = document["paths"].as_object_mut() else { return };
    for operation in paths.values_mut().filter_map(Value::as_object_mut).flat_map(Map::values_mut) {
        operation["responses"]["default"] = problem.clone();
    }
}

/// What each operation asks for, once anybody is asked who they are.
fn add_permissions(document: &mut Value) {
    document["components"]["securitySchemes"] = json!({
        "bearer": {"type": "http", "scheme": "bearer", "description": "A key: `tsk_…`."},
        "key": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "The same."},
    });
    let Some(paths) = document["paths"].as_object_mut() else { return };
    for (path, methods) in paths.iter_mut() {
        for (method, operation) in methods.as_object_mut().into_iter().flatten() {
            let permissions: Vec<&str> = match table::row(method, path) {
                None | Some(Need::Nothing) => continue,
                Some(Need::Credential) => Vec::new(),
                Some(Need::One(one) | Need::Elsewhere(one)) => vec![one.as_str()],
                Some(Need::All(all)) => all.iter().map(|one| one.as_str()).collect(),
            };
            operation["security"] = json!([{"bearer": []}, {"key": []}]);
            operation["x-permissions"] = json!(permissions);
        }
    }
}

/// Fields that are not known are refused, and the id of a task is one.
fn close_bodies(document: &mut Value) {
    let mut names = Vec::new();
    let Some(paths) = document["paths"].as_object_mut() else { return };
    for operation in paths.values_mut().filter_map(Value::as_object_mut).flat_map(Map::values_mut) {
        let body = &operation["requestBody"]["content"]["application/json"]["schema"];
        names.extend(named(body));
        for parameter in operation["parameters"].as_array_mut().into_iter().flatten() {
            if parameter["in"] == "path" && parameter["name"] == "id" {
                parameter["schema"]["format"] = json!("uuid");
            }
        }
    }
    while let Some(name) = names.pop() {
        let schema = &mut document["components"]["schemas"][&name];
        let Some(properties) = schema["properties"].as_object() else { continue };
        names.extend(properties.values().filter_map(|property| named(&property["items"])));
        schema["additionalProperties"] = json!(false);
    }
}

/// The name of the schema that is referred to.
fn named(schema: &Value) -> Option<String> {
    schema["$ref"].as_str()?.rsplit('/').next().map(str::to_owned)
}
