-- Who may ask the service, and what. Once there is a row, nobody is served who does not show a key; so a key that is
-- revoked keeps its row.
create table tasker.api_keys (
    -- Public: the first part of the key.
    id text primary key,
    name text not null,
    -- The SHA-256 of the whole key, in hexadecimal digits. The key itself is kept nowhere.
    digest text not null,
    -- JSON lists; no namespaces at all: all of them.
    permissions text not null,
    namespaces text,
    created_at bigint not null,
    created_by text not null,
    -- Null: never.
    expires_at bigint,
    revoked_at bigint,
    -- To the minute.
    last_used_at bigint
);
