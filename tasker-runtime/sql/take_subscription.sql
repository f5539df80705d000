-- take subscription $1 for worker $2
-- Only where no live worker serves it, it is live (0) or blocked (2), and the worker is alive. Returns what it goes on
-- from.
update tasker.subscriptions
set owner = $2,
    lease = lease + 1
where id = $1
  and state in (0, 2)
  and not exists (select 1 from tasker.workers w where w.id = owner and w.stopped_at is null)
  and exists (select 1 from tasker.workers w where w.id = $2 and w.stopped_at is null)
returning position, lease, state
