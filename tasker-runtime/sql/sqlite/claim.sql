-- take tasks from the queue
-- Worker $3 takes at most $4 tasks of queue $1 that are due at $2, unless it was given up: nobody would
-- ever free what it took then.
-- The queue is in the order of priorities first: what is due of each is found by itself, so that what is not
-- costs nothing. What is due at no time by itself is not in the index.
update runs
set owner = $3,
    lease = lease + 1,
    cause = null
where task_id in (
    with recursive levels (priority) as (
    select (
        select priority
        from runs
        where owner is null
          and run_at <> 9223372036854775807
          and queue = $1
        order by priority desc
        limit 1
    )
    union all
    select (
        select r.priority
        from runs r
        where r.owner is null
          and r.run_at <> 9223372036854775807
          and r.queue = $1
          and r.priority < levels.priority
        order by r.priority desc
        limit 1
    )
    from levels
    where levels.priority is not null
)
    select r.task_id
    from levels
    cross join runs r indexed by runs_queue
    where r.owner is null
      and r.run_at <> 9223372036854775807
      and exists (select 1 from workers where id = $3 and stopped_at is null)
      and r.queue = $1
      and r.priority = levels.priority
      and r.run_at <= $2
    limit $4
)
returning task_id, lease, takeovers,
    (select uuid from tasks where id = task_id),
    (select template_id from tasks where id = task_id),
    (select correlation_id from tasks where id = task_id),
    (select created_at from tasks where id = task_id),
    (select context from tasks where id = task_id),
    state,
    (select parent_id is not null from tasks where id = task_id)
