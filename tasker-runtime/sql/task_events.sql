-- read the events of task $1 after its number $2, $3 of them at most
select e.position, e.at, e.seq, e.step, e.attempt, e.place, e.outcome, e.name, cast(e.payload as text), t.uuid,
    t.template_id, t.correlation_id, p.namespace, p.name, p.version, e.task_id
from tasker.events e
join tasker.tasks t on t.id = e.task_id
join tasker.templates p on p.id = t.template_id
where t.uuid = $1
  and e.seq > $2
order by e.seq
limit $3
