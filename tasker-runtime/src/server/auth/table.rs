//! Which permissions each route asks for. What has no row here is served to nobody but those who may everything.

use axum::http::Method;

use crate::api::Permission::{
    self, DlqRead, KeysManage, SchedulesManage, SchedulesRead, SystemRead, TasksOperate, TasksPayload,
    TasksRead, TasksSubmit, TemplatesRead, WorkersRead,
};

/// What a route asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::server) enum Need {
    /// Nothing: it says no more than that the service is here, what it can do, and whether it is well.
    Nothing,
    /// Any credential that is good.
    Credential,
    /// A permission, unless only this machine can ask.
    Elsewhere(Permission),
    /// A permission.
    One(Permission),
    /// All of these permissions.
    All(&'static [Permission]),
}

use Need::{All, Credential, Elsewhere, Nothing, One};

/// Method, pattern of the path, and what is asked for.
#[rustfmt::skip]
const TABLE: &[(&str, &str, Need)] = &[
    ("POST", "/v1/tasks", One(TasksSubmit)),
    ("GET", "/v1/tasks", One(TasksRead)),
    ("POST", "/v1/tasks/batch", One(TasksSubmit)),
    ("GET", "/v1/tasks/{id}", One(TasksRead)),
    ("GET", "/v1/tasks/{id}/steps", One(TasksRead)),
    ("GET", "/v1/tasks/{id}/steps/{step}", One(TasksRead)),
    ("GET", "/v1/tasks/{id}/why", One(TasksRead)),
    ("GET", "/v1/tasks/{id}/audit", One(TasksRead)),
    ("GET", "/v1/tasks/{id}/progress", One(TasksRead)),
    ("POST", "/v1/tasks/{id}/retry", One(TasksOperate)),
    ("POST", "/v1/tasks/{id}/resolve", One(TasksOperate)),
    ("POST", "/v1/tasks/{id}/skip", One(TasksOperate)),
    ("POST", "/v1/tasks/{id}/cancel", One(TasksOperate)),
    ("POST", "/v1/tasks/{id}/give_up", One(TasksOperate)),
    ("POST", "/v1/tasks/{id}/pause", One(TasksOperate)),
    ("POST", "/v1/tasks/{id}/resume", One(TasksOperate)),
    ("POST", "/v1/tasks/{id}/signals/{name}", One(TasksOperate)),
    ("POST", "/v1/tasks/{id}/copy", All(&[TasksSubmit, TasksPayload])),
    ("POST", "/v1/tasks/{id}/fork", All(&[TasksSubmit, TasksPayload])),
    ("GET", "/v1/templates", One(TemplatesRead)),
    ("GET", "/v1/templates/{namespace}/{name}", One(TemplatesRead)),
    ("GET", "/v1/workers", One(WorkersRead)),
    ("GET", "/v1/dead-letters", One(DlqRead)),
    ("GET", "/v1/schedules", One(SchedulesRead)),
    ("GET", "/v1/schedules/{name}", One(SchedulesRead)),
    ("DELETE", "/v1/schedules/{name}", One(SchedulesManage)),
    ("POST", "/v1/schedules/{name}/pause", One(SchedulesManage)),
    ("POST", "/v1/schedules/{name}/resume", One(SchedulesManage)),
    ("POST", "/v1/schedules/{name}/trigger", One(SchedulesManage)),
    ("POST", "/v1/keys", One(KeysManage)),
    ("GET", "/v1/keys", One(KeysManage)),
    ("DELETE", "/v1/keys/{key}", One(KeysManage)),
    ("GET", "/v1/whoami", Credential),
    ("GET", "/v1/config", One(SystemRead)),
    ("GET", "/", Nothing),
    ("GET", "/v1/openapi.json", Nothing),
    ("GET", "/metrics", Elsewhere(SystemRead)),
    ("GET", "/health", Nothing),
    ("GET", "/health/live", Nothing),
    ("GET", "/health/ready", Nothing),
    ("GET", "/health/started", Nothing),
    ("GET", "/livez", Nothing),
    ("GET", "/readyz", Nothing),
    ("GET", "/startupz", Nothing),
];

/// Every permission there is, for a route that nobody thought of.
const EVERYTHING: Need = All(Permission::ALL);

/// What a method of a route asks for; `None` is no route, or a method that it does not have.
pub(in crate::server) fn need(method: &Method, route: Option<&str>) -> Need {
    // Whoever may ask for something may ask whether it is there.
    let method = if method == Method::HEAD { &Method::GET } else { method };
    let Some(route) = route else { return Credential };
    let mut rows = TABLE.iter().filter(|(_, of, _)| *of == route).peekable();
    if rows.peek().is_none() {
        return EVERYTHING;
    }
    // A method that the route does not have is answered so.
    rows.find(|(of, ..)| *of == method.as_str()).map_or(Credential, |(.., need)| *need)
}

/// What an operation of the contract asks for; `None` where it has no row.
pub(in crate::server) fn row(method: &str, route: &str) -> Option<Need> {
    TABLE.iter().find(|(of, at, _)| of.eq_ignore_ascii_case(method) && *at == route).map(|(.., need)| *need)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::server::openapi;

    #[test]
    fn every_operation_of_the_contract_has_a_row() {
        let document: serde_json::Value = serde_json::from_str(openapi::document()).unwrap();
        let mut operations = 0;
        for (path, methods) in document["paths"].as_object().unwrap() {
            for method in methods.as_object().unwrap().keys() {
                assert!(row(method, path).is_some(), "{method} {path} has no row: who may do it?");
                operations += 1;
            }
        }
        // Three more paths are other names of health checks.
        assert_eq!(TABLE.len(), operations + 3, "a row of no operation");
    }

    #[test]
    fn what_has_no_row_is_for_those_who_may_everything() {
        assert_eq!(need(&Method::GET, Some("/v1/new")), EVERYTHING);
        assert_eq!(need(&Method::PUT, Some("/v1/tasks")), Credential);
        assert_eq!(need(&Method::HEAD, Some("/v1/tasks")), One(TasksRead));
        assert_eq!(need(&Method::GET, None), Credential);
    }
}
