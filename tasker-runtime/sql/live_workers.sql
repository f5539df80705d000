-- list the workers that have not stopped
select id, name, started_at, seen_at, expires_at, cast(handlers as text), cast(queues as text)
from tasker.workers
where stopped_at is null
order by id
