-- lock the runs of the tasks $1 and of those that started them until the transaction ends, in one order for all
select task_id
from tasker.runs
where task_id in (
    select id from unnest($1::bigint[]) as e (id)
    union
    select parent_id from tasker.children where child_id = any ($1::bigint[])
)
order by task_id
for update
