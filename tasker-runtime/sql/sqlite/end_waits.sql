-- let failed steps that wait for their next attempt wait until $3 at the longest
-- $1 [task, lease, step], of worker $2; null: nobody holds the tasks.
update attempts
set retry_at = $3
where retry_at > $3
  and (task_id, step) in (
      select e.value ->> 0, e.value ->> 2
      from jsonb_each($1) e
      cross join runs r on r.task_id = e.value ->> 0
          and r.lease = e.value ->> 1
          and (r.owner is $2 or $2 is null and r.finished_at is not null)
  )
