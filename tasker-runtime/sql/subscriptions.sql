-- list the subscriptions, with how much is parked, dead and behind
-- Behind is counted up to 10,001 events; $1 is how far the log is settled.
select s.id, s.name, s.kind, cast(s.patterns as text), cast(s.namespaces as text), s.position, s.state, s.since, w.name,
    (select count(*) from tasker.parked p where p.subscription_id = s.id and p.next_at is not null),
    (select count(*) from tasker.parked p where p.subscription_id = s.id and p.next_at is null),
    (select count(*) from (
        select 1 from tasker.events e where e.position > s.position and e.position <= $1 limit 10001
    ) behind),
    (select e.at from tasker.events e where e.position > s.position and e.position <= $1 order by e.position limit 1)
from tasker.subscriptions s
left join tasker.workers w on w.id = s.owner and w.stopped_at is null
order by s.name
