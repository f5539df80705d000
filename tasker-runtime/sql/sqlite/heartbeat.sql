-- keep a worker alive
-- Worker $1, seen at $2, alive until $3, with the activity $4 (null: as it was). No row: it was given up, and
-- its leases with it.
update workers
set seen_at = $2,
    expires_at = $3,
    activity = coalesce($4, activity)
where id = $1
  and stopped_at is null
returning id
