-- list at most $2 schedules by name, those after $1
select name, template, version, cast(definition as text), paused, next_at, due_at, cast(waiting as text), last_at, cast(last_task as text), started, skipped, problem, created_at
from tasker.schedules
where name > $1
order by name
limit $2
