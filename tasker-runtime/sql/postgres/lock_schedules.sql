-- lock those of the schedules $1 that nobody else looks at, until the transaction ends
select name, template, version, definition::text, paused, next_at, due_at, waiting::text, last_at, cast(last_task as text), started, skipped, problem, created_at
from tasker.schedules
where name = any ($1)
order by name
for update skip locked
