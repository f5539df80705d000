-- note that the key $1 of the service was used at $2, unless that was noted after $3
update tasker.api_keys
set last_used_at = $2
where id = $1
  and (last_used_at is null or last_used_at <= $3)
