-- read how far back the $2 tasks before number $1 go, and how many there are
select min(id), count(*)
from (
    select id
    from tasker.tasks
    where id < $1
    order by id desc
    limit $2
) as latest
