-- read how far back the $2 tasks before number $1 go, and when the latest of them was submitted
select min(id), max(created_at)
from (
    select id, created_at
    from tasker.tasks
    where id < $1
    order by id desc
    limit $2
) as latest
