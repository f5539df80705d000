-- the position of the first event at or after $1
select position
from tasker.events
where at >= $1
order by position
limit 1
