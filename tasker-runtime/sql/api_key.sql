-- read the key $1 of the service
select id, name, digest, permissions, namespaces, created_at, created_by, expires_at, revoked_at, last_used_at
from tasker.api_keys
where id = $1
