-- find the first $2 tasks after number $1 that are not over
-- (`+ 0` has all three parts go by the index of open tasks that each is about, and none by the numbers of all tasks.)
select t.id, t.uuid, t.template_id
from (
    select task_id
    from (
        select task_id from tasker.runs where owner is null and run_at <> 9223372036854775807
        union all
        select task_id from tasker.runs where owner is null and run_at = 9223372036854775807
        union all
        select task_id from tasker.runs where owner is not null and finished_at is null
    ) as open
    where task_id + 0 > $1
    order by task_id + 0
    limit $2
) as next
join tasker.tasks t on t.id = next.task_id
order by t.id
