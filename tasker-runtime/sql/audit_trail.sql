-- read what was asked of task $1 after line $2, at most $3 lines
-- The last column is there while the command waits for the holder of the task. That `id` alone is neither compared nor
-- joined keeps a planner without statistics from walking through the lines of all tasks.
select a.id, a.created_at, a.actor, a.action, cast(a.detail as text), a.reason, a.refused,
    (select min(c.id) from tasker.commands c where c.audit_id = a.id)
from tasker.audit a
where a.task_id = $1
  and a.id + 0 > $2
order by a.id + 0
limit $3
