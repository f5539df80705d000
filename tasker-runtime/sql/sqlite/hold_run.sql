-- make sure that task $1 is held under lease $2 until the transaction ends
-- The worker that holds it; no row: nobody does any more.
select owner
from runs
where task_id = $1
  and lease = $2
  and owner is not null
  and finished_at is null
