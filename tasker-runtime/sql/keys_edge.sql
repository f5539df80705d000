-- look at the $4 idempotency keys after key $3 of template $1/$2: the last of them
select namespace, template, key
from (
    select namespace, template, key
    from tasker.idempotency_keys
    where (namespace, template, key) > ($1, $2, $3)
    order by namespace, template, key
    limit $4
) as next
order by namespace desc, template desc, key desc
limit 1
