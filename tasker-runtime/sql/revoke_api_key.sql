-- end the key $1 of the service at $2, unless it has ended
update tasker.api_keys
set revoked_at = coalesce(revoked_at, $2)
where id = $1
