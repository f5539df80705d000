-- read what the idempotency key $3 of template $1/$2 was used for
select task_uuid, input_digest
from tasker.idempotency_keys
where namespace = $1
  and template = $2
  and key = $3
