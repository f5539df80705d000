-- read the events that could not be published, the newest first, $1 of them at most
select l.at, l.step, l.attempt, l.place, l.name, l.reason, l.detail, cast(l.payload as text), t.uuid, t.template_id
from tasker.event_letters l
join tasker.tasks t on t.id = l.task_id
order by l.at desc, l.task_id, l.step, l.attempt, l.place
limit $1
