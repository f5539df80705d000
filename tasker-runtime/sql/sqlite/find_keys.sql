-- read what idempotency keys were used for
-- $1 [namespace, template, key]
select k.namespace, k.template, k.key, k.task_uuid, k.input_digest
from jsonb_each($1) f
cross join idempotency_keys k on k.namespace = f.value ->> 0
    and k.template = f.value ->> 1
    and k.key = f.value ->> 2
