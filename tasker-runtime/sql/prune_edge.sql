-- look at the $2 tasks after number $1: the last of them, and when the first of them was submitted
select max(id), min(created_at)
from (
    select id, created_at
    from tasker.tasks
    where id > $1
    order by id
    limit $2
) as next
