-- read the events that could not be delivered, the latest first, $1 of them at most
select s.name, p.position, p.attempts, cast(p.error as text), e.name, e.at, cast(t.uuid as text)
from tasker.parked p
join tasker.subscriptions s on s.id = p.subscription_id
left join tasker.events e on e.position = p.position
left join tasker.tasks t on t.id = p.task_id
where p.next_at is null
order by p.position desc, p.subscription_id
limit $1
