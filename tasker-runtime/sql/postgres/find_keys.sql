-- read what idempotency keys were used for
-- $1 namespace, $2 template, $3 key
select k.namespace, k.template, k.key, k.task_uuid, k.input_digest
from unnest($1::text[], $2::text[], $3::text[]) f (namespace, template, key)
join tasker.idempotency_keys k on k.namespace = f.namespace
    and k.template = f.template
    and k.key = f.key
