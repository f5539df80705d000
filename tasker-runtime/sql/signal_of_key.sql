-- read what was sent to task $1 with the idempotency key $2
select number, name, cast(payload as text)
from tasker.signals
where task_id = $1
  and key = $2
