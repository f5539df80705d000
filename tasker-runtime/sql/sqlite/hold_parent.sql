-- make sure that worker $3 holds task $1 under lease $2 until the transaction ends
-- What its children inherit: its priority, its correlation id and how many tasks stand above it.
select r.priority, t.correlation_id, coalesce((select c.depth from children c where c.child_id = r.task_id), 0), t.uuid
from runs r
join tasks t on t.id = r.task_id
where r.task_id = $1
  and r.lease = $2
  and r.owner is $3
  and r.finished_at is null
