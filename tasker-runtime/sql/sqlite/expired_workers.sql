-- find workers that are gone
-- $1 [worker, until when it said that it lives]: one that has said more since is alive.
select w.id
from jsonb_each($1) e
cross join workers w on w.id = e.value ->> 0 and w.expires_at = e.value ->> 1
where w.stopped_at is null
order by w.id
