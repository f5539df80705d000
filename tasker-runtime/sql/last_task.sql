-- find the last task before number $1, and when it was submitted
select id, created_at
from tasker.tasks
where id < $1
order by id desc
limit 1
