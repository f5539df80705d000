-- who serves the subscriptions, if a live worker does
select s.id, s.name, s.lease, s.state, w.id
from tasker.subscriptions s
left join tasker.workers w on w.id = s.owner and w.stopped_at is null
order by s.id
