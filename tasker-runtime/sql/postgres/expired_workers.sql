-- lock workers that are gone
-- $1 worker, $2 until when it said that it lives: one that has said more since is alive. One that is writing
-- something is passed over: what it writes comes first.
select w.id
from unnest($1::bigint[], $2::bigint[]) as e (id, expires_at)
join tasker.workers w on w.id = e.id and w.expires_at = e.expires_at
where w.stopped_at is null
order by w.id
for update of w skip locked
