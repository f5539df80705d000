-- save how far a batch instance got
-- Task $1 under lease $2 of worker $3, or lent to it; step $4, attempt $5, $6 items done, at $7, cursor $8,
-- partial result $9. No row: the lease was lost, or a later attempt has saved.
insert into tasker.checkpoints as c (task_id, step, attempt, lease, items, saved_at, cursor, partial)
select r.task_id, $4, $5, r.lease, $6, $7, $8::json, $9::json
from tasker.runs r
where r.task_id = $1
  and r.lease = $2
  and r.finished_at is null
  and (r.owner = $3
    or exists (select 1 from tasker.offers o where o.task_id = $1 and o.step = $4 and o.lease = $2 and o.taker = $3))
-- Who takes the task over waits until this is written, or has this find the lease lost.
for share of r
on conflict (task_id, step) do update
set attempt = excluded.attempt,
    lease = excluded.lease,
    items = excluded.items,
    saved_at = excluded.saved_at,
    cursor = excluded.cursor,
    partial = excluded.partial
where (c.lease, c.attempt) <= (excluded.lease, excluded.attempt)
