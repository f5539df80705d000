-- count a death less of a taker that was taken for dead and lives
-- $1 [task, lease, step it had on loan]
update offers
set deaths = deaths - 1
from jsonb_each($1) e
where offers.task_id = e.value ->> 0
  and offers.lease = e.value ->> 1
  and offers.step = e.value ->> 2
  and offers.deaths > 0
