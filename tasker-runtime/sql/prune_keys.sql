-- delete the idempotency keys after key $3 of template $1/$2 up to key $6 of $4/$5 that were used before $7, and
-- whose tasks are gone
delete from tasker.idempotency_keys
where (namespace, template, key) > ($1, $2, $3)
  and (namespace, template, key) <= ($4, $5, $6)
  and created_at < $7
  and not exists (select 1 from tasker.tasks t where t.uuid = task_uuid)
