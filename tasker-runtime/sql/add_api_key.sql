-- keep a key of the service, unless its id is taken
-- $1 id, $2 name, $3 digest, $4 permissions, $5 namespaces, $6 created, $7 by whom, $8 when it expires
insert into tasker.api_keys (id, name, digest, permissions, namespaces, created_at, created_by, expires_at)
values ($1, $2, $3, $4, $5, $6, $7, $8)
on conflict (id) do nothing
