-- read the events after position $1 up to $2, $3 of them at most
select e.position, e.at, e.seq, e.step, e.attempt, e.place, e.outcome, e.name, cast(e.payload as text), t.uuid,
    t.template_id, t.correlation_id, p.namespace, p.name, p.version, e.task_id
from tasker.events e
join tasker.tasks t on t.id = e.task_id
join tasker.templates p on p.id = t.template_id
where e.position > $1
  and e.position <= $2
order by e.position
limit $3
