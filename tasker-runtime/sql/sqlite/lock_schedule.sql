-- read the schedule $1; who writes is alone
select name, template, version, definition, paused, next_at, due_at, waiting, last_at, cast(last_task as text), started, skipped, problem, created_at
from schedules
where name = $1
