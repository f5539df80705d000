-- count what was sent to task $1: all of it, and the highest number
select count(*), coalesce(max(number), 0)
from tasker.signals
where task_id = $1
