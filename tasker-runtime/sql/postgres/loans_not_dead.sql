-- count a death less of a taker that was taken for dead and lives
-- $1 task, $2 lease, $3 step it had on loan.
update tasker.offers o
set deaths = o.deaths - 1
from unnest($1::bigint[], $2::bigint[], $3::bigint[]) as e (task_id, lease, step)
where o.task_id = e.task_id
  and o.lease = e.lease
  and o.step = e.step
  and o.deaths > 0
