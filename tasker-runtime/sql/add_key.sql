-- use an idempotency key
-- Namespace $1, template $2, key $3: task $4 with the input digest $5, at $6. No row: it is used already.
insert into tasker.idempotency_keys (namespace, template, key, task_uuid, input_digest, created_at)
values ($1, $2, $3, $4, $5, $6)
on conflict (namespace, template, key) do nothing
returning key
