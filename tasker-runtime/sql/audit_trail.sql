-- read what was asked of task $1 after line $2, at most $3 lines
-- Whether a command still waits for the holder of the task is told by the last column.
select a.id, a.created_at, a.actor, a.action, cast(a.detail as text), a.reason, a.refused, c.id
from tasker.audit a
left join tasker.commands c on c.audit_id = a.id
where a.task_id = $1
  and a.id > $2
order by a.id
limit $3
