-- lock the schedule $1 until the transaction ends
select name, template, version, definition::text, paused, next_at, due_at, waiting::text, last_at, cast(last_task as text), started, skipped, problem, created_at
from tasker.schedules
where name = $1
for update
