//! Somebody who asks.

use std::{ops::Deref, sync::Arc};

use axum::{extract::FromRequestParts, http::request::Parts};

use crate::{
    api::{KeyReport, Permission, Permissions, Tasker},
    model::Timestamp,
    server::{
        Service,
        problem::{Answer, Code, Problem},
    },
};

/// Who asks, and what they may.
#[derive(Clone, Debug)]
pub(in crate::server) struct Principal {
    /// `None`: nobody is asked who they are.
    pub name: Option<String>,
    /// The id of their key.
    pub key: Option<String>,
    pub permissions: Permissions,
    /// `None`: all of them.
    pub namespaces: Option<Vec<String>>,
    pub expires_at: Option<Timestamp>,
}

impl Principal {
    /// Anybody on this machine, while nobody is asked who they are.
    pub(super) fn anybody() -> Self {
        Self { name: None, key: None, permissions: Permissions::all(), namespaces: None, expires_at: None }
    }

    /// Whoever has this key.
    pub(super) fn of(key: &KeyReport) -> Self {
        Self {
            name: Some(key.name.clone()),
            key: Some(key.id.clone()),
            permissions: key.grants(),
            namespaces: key.namespaces.clone(),
            expires_at: key.expires_at,
        }
    }

    pub(in crate::server) fn may(&self, permission: Permission) -> bool {
        self.permissions.contains(permission)
    }

    /// A problem, unless they may.
    pub(in crate::server) fn need(&self, permission: Permission) -> Answer<()> {
        if self.may(permission) {
            return Ok(());
        }
        let detail = format!("this needs the permission `{}`", permission.as_str());
        Err(Problem::new(Code::NotPermitted, detail).hint("GET /v1/whoami says what you may"))
    }

    /// Whether what is of this namespace is there for them.
    pub(in crate::server) fn sees(&self, namespace: &str) -> bool {
        self.namespaces.as_deref().is_none_or(|all| all.iter().any(|one| one == namespace))
    }

    /// Whether what is of this template, `namespace/name`, is there for them.
    pub(in crate::server) fn sees_template(&self, template: &str) -> bool {
        self.sees(template.split_once('/').map_or("default", |(namespace, _)| namespace))
    }
}

/// Who asks, in a route.
#[derive(Clone, Debug)]
pub(in crate::server) struct Caller(pub Arc<Principal>);

impl Caller {
    /// Anybody, where nobody is asked who they are.
    pub(in crate::server) fn anybody() -> Self {
        Self(Arc::new(Principal::anybody()))
    }

    /// The handle by which they command. In the audit trail stands the name of their key, and whom they say they speak
    /// for behind a slash.
    pub(in crate::server) fn commands(&self, tasker: &Tasker, speaks_for: Option<String>) -> Tasker {
        /// Who stands in the audit trail where nobody says anything.
        const NOBODY: &str = "http";
        let actor = match (&self.name, speaks_for) {
            (None, speaks_for) => speaks_for.unwrap_or_else(|| NOBODY.to_owned()),
            (Some(name), None) => name.clone(),
            (Some(name), Some(speaks_for)) => format!("{name}/{speaks_for}"),
        };
        tasker.as_actor(actor)
    }
}

impl Deref for Caller {
    type Target = Principal;

    fn deref(&self) -> &Principal {
        &self.0
    }
}

impl FromRequestParts<Service> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Service) -> Answer<Self> {
        let caller = parts.extensions.get::<Self>().cloned();
        caller.ok_or_else(|| Problem::internal(&"a route is reached without asking who is there"))
    }
}
