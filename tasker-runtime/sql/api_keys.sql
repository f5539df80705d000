-- list at most $2 keys of the service by id, those after $1
select id, name, digest, permissions, namespaces, created_at, created_by, expires_at, revoked_at, last_used_at
from tasker.api_keys
where id > $1
order by id
limit $2
