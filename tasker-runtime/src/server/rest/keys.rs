//! Who may ask, and what.

use std::time::Duration;

use axum::{
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::IntoResponse,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{json, tasks::PageQuery};
use crate::{
    api::{KeyError, KeyReport, NewKey, Permissions, Role},
    model::Timestamp,
    server::{
        Service,
        auth::Caller,
        extract::{Fields, Path, Query},
        page,
        problem::{Answer, Code, Problem},
        wire::Time,
    },
};

/// A key that is to be made. One of `expires_in_days`, `expires_at` and `never_expires` says how long it is good.
#[derive(ToSchema)]
#[allow(dead_code, reason = "described here, read by `create_key`")]
pub(in crate::server) struct NewKeyBody {
    /// Its name, which stands in the audit trail for what is done by it. No `/` in it.
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    /// `viewer`, `operator` or `admin`: permissions that go together.
    role: Option<String>,
    /// What else it permits: `tasks:read`, `tasks:*`, `*`.
    permissions: Option<Vec<String>>,
    /// The namespaces for which it does; all unless they are given.
    namespaces: Option<Vec<String>>,
    /// It is good for so many days.
    #[schema(minimum = 1, maximum = 36500)]
    expires_in_days: Option<u32>,
    /// It is good until then.
    expires_at: Option<Time>,
    /// `true`: it is good until it is revoked.
    never_expires: Option<bool>,
}

/// A key, but for what it is recognized by.
#[derive(Serialize, ToSchema)]
pub(in crate::server) struct Key {
    /// Its id: the eight characters after `tsk_`.
    id: String,
    name: String,
    /// What it permits, in the words it was made with.
    permissions: Vec<String>,
    /// The namespaces for which it does; absent: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    namespaces: Option<Vec<String>>,
    created_at: Time,
    /// Who made it.
    created_by: String,
    /// When it expires; absent: never.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked_at: Option<Time>,
    /// When it was used last, to the minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_used_at: Option<Time>,
    /// The key itself, in the answer to who made it alone: it is kept nowhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
}

impl From<KeyReport> for Key {
    fn from(key: KeyReport) -> Self {
        Self {
            created_at: Time(key.created_at),
            expires_at: key.expires_at.map(Time),
            revoked_at: key.revoked_at.map(Time),
            last_used_at: key.last_used_at.map(Time),
            id: key.id,
            name: key.name,
            permissions: key.permissions,
            namespaces: key.namespaces,
            created_by: key.created_by,
            secret: None,
        }
    }
}

/// Some keys, by id.
#[derive(Serialize, ToSchema)]
pub(in crate::server) struct KeyPage {
    items: Vec<Key>,
    /// The `cursor` of the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// Who asks, and what they may.
#[derive(Serialize, ToSchema)]
pub(in crate::server) struct WhoAmI {
    /// The name of the key; absent where nobody is asked who they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// The id of the key.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    /// Each permission in full.
    #[schema(value_type = Vec<String>)]
    permissions: Permissions,
    /// The namespaces for which they have them; absent: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    namespaces: Option<Vec<String>>,
    /// Until when.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<Time>,
}

impl From<KeyError> for Problem {
    fn from(error: KeyError) -> Self {
        let detail = error.to_string();
        let field = match error {
            KeyError::Unknown { .. } => return Self::new(Code::NoSuchKey, detail),
            KeyError::Store(error) => return error.into(),
            KeyError::BadName => "/name",
            KeyError::UnknownPermission(_) | KeyError::PermitsNothing => "/permissions",
            KeyError::BadNamespace => "/namespaces",
            KeyError::ExpiresBefore { .. } => "/expires_at",
            error => return Self::internal(&error),
        };
        Self::of_field(Code::FieldsInvalid, field, detail)
    }
}

/// Whether a key may no more than whoever asks. Nobody gives what they do not have.
fn is_within(caller: &Caller, permissions: Permissions, namespaces: Option<&[String]>) -> bool {
    let all_seen = match namespaces {
        None => caller.namespaces.is_none(),
        Some(namespaces) => namespaces.iter().all(|namespace| caller.sees(namespace)),
    };
    all_seen && caller.permissions.covers(permissions)
}

/// Until when a key is to be good, as the fields say; `None`: until it is revoked.
fn expiry(fields: &mut Fields, now: Timestamp) -> Option<Timestamp> {
    const MAX_DAYS: u64 = 36_500;
    let days = fields.take::<u64>("expires_in_days");
    if days.is_some_and(|days| !(1..=MAX_DAYS).contains(&days)) {
        let detail = format!("`expires_in_days` has to be a whole number from 1 to {MAX_DAYS}");
        fields.wrong("expires_in_days", "wrong_value", detail);
    }
    let at = fields.take::<Timestamp>("expires_at");
    let never = fields.take::<bool>("never_expires").unwrap_or_default();
    if [days.is_some(), at.is_some(), never].into_iter().filter(|given| *given).count() != 1 {
        let detail = "give one of `expires_in_days`, `expires_at` and `never_expires`".to_owned();
        fields.wrong("expires_in_days", "conflict", detail);
    }
    at.or_else(|| days.map(|days| now + Duration::from_secs(days.min(MAX_DAYS) * 86_400)))
}

/// Make a key
///
/// From here on nobody is served who shows none. The key is in this answer, once.
#[utoipa::path(post, path = "/v1/keys", tag = "keys", request_body = NewKeyBody,
    responses((status = 201, description = "The key.", body = Key)))]
pub(super) async fn create_key(
    State(service): State<Service>,
    caller: Caller,
    query: Query,
    mut fields: Fields,
) -> Answer {
    query.finish()?;
    let tasker = caller.commands(service.tasker(), None);
    let name = fields.need::<String>("name").unwrap_or_default();
    let role = fields.take::<String>("role");
    let role = role.and_then(|role| {
        role.parse::<Role>().map_err(|error| fields.wrong("role", "wrong_value", error)).ok()
    });
    let permissions = fields.take::<Vec<String>>("permissions").unwrap_or_default();
    let namespaces = fields.take::<Vec<String>>("namespaces");
    if namespaces.as_ref().is_some_and(Vec::is_empty) {
        fields.wrong(
            "namespaces",
            "wrong_length",
            "`namespaces` names one at least, or is left out".to_owned(),
        );
    }
    let expires_at = expiry(&mut fields, tasker.now());
    fields.finish()?;
    let words = role.iter().flat_map(|role| role.permissions()).copied();
    let words = words.chain(permissions.iter().map(String::as_str));
    let granted = Permissions::read(words).map_err(KeyError::from)?;
    if !is_within(&caller, granted, namespaces.as_deref()) {
        let detail = "a key may no more than the one by which it is made";
        return Err(Problem::new(Code::NotPermitted, detail).hint("GET /v1/whoami says what you may"));
    }
    let new = match expires_at {
        Some(at) => NewKey::until(name, at),
        None => NewKey::that_never_expires(name),
    };
    let new = role.into_iter().fold(new, NewKey::role);
    let new = permissions.into_iter().fold(new, NewKey::permission);
    let new = namespaces.into_iter().flatten().fold(new, NewKey::namespace);
    let made = tasker.keys().create(new).await?;
    service.0.auth.ask();
    let secret = Some(made.secret().to_owned());
    let mut response = json(StatusCode::CREATED, &Key { secret, ..made.report.into() })?;
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// The digest of the list that cursors belong to.
const LIST: &str = "keys";

/// List keys, by id
///
/// Also those that are not good any more. A page may have fewer than it could: those that may more than the one by
/// which is asked are left out.
#[utoipa::path(get, path = "/v1/keys", tag = "keys", params(PageQuery),
    responses((status = 200, description = "A page.", body = KeyPage)))]
pub(super) async fn list_keys(State(service): State<Service>, caller: Caller, mut query: Query) -> Answer {
    let (limit, cursor) = (query.limit(), query.text("cursor"));
    query.finish()?;
    let after = cursor.map(|cursor| page::read::<String>(&cursor, LIST)).transpose()?;
    let mut found = service.tasker().keys().list(after.as_deref(), limit + 1).await?;
    let more = found.len() > limit;
    found.truncate(limit);
    let next_cursor = found.last().filter(|_| more).map(|last| page::cursor(&last.id, LIST));
    found.retain(|key| is_within(&caller, key.grants(), key.namespaces.as_deref()));
    json(StatusCode::OK, &KeyPage { items: found.into_iter().map(Key::from).collect(), next_cursor })
}

/// Revoke a key
///
/// It is good for nothing from here on: at once in this process, within 5 s in others.
#[utoipa::path(delete, path = "/v1/keys/{key}", tag = "keys",
    params(("key" = String, Path, description = "The id of the key.")),
    responses((status = 204, description = "It is revoked.")))]
pub(super) async fn revoke_key(
    State(service): State<Service>,
    caller: Caller,
    path: Path,
    query: Query,
) -> Answer {
    query.finish()?;
    let (id, keys) = (path.text("key"), service.tasker().keys());
    let found = keys.get(id).await?;
    let found = found.filter(|key| is_within(&caller, key.grants(), key.namespaces.as_deref()));
    let key = found.ok_or_else(|| KeyError::Unknown { id: id.to_owned() })?;
    keys.revoke(&key.id).await?;
    service.0.auth.forget(&key.id);
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Say who asks, and what they may
#[utoipa::path(get, path = "/v1/whoami", tag = "keys",
    responses((status = 200, description = "Who asks.", body = WhoAmI)))]
pub(super) async fn whoami(caller: Caller, query: Query) -> Answer {
    query.finish()?;
    let document = WhoAmI {
        name: caller.name.clone(),
        key: caller.key.clone(),
        permissions: caller.permissions,
        namespaces: caller.namespaces.clone(),
        expires_at: caller.expires_at.map(Time),
    };
    json(StatusCode::OK, &document)
}
