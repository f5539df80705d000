-- count the tasks after number $1 up to number $2 that ended before $3 in the states $4 to $5
select count(*)
from tasker.runs
where task_id > $1
  and task_id <= $2
  and finished_at < $3
  and state between $4 and $5
  -- Who waits for it has yet to read what it came to.
  and not exists (
      select 1
      from tasker.children c
      join tasker.runs parent on parent.task_id = c.parent_id and parent.finished_at is null
      where c.child_id = runs.task_id
  )
