-- take tasks from the queue
-- Worker $3 takes at most $4 tasks of queue $1 that are due at $2, unless it was given up: nobody would
-- ever free what it took then. They are in progress (1); what is being rolled back (4) stays so.
update runs
set owner = $3,
    lease = lease + 1,
    state = case when state = 4 then 4 else 1 end,
    cause = null
where task_id in (
    select task_id
    from runs
    where owner is null
      and exists (select 1 from workers where id = $3 and stopped_at is null)
      and queue = $1
      and run_at <= $2
    order by priority desc, run_at, task_id
    limit $4
)
returning task_id, lease, takeovers,
    (select uuid from tasks where id = task_id),
    (select template_id from tasks where id = task_id),
    (select correlation_id from tasks where id = task_id),
    (select created_at from tasks where id = task_id),
    (select context from tasks where id = task_id)
