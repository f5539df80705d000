-- read what is parked of subscription $1, and its dead letters after position $2
select position, task_id, attempts, next_at, redelivered, cast(error as text)
from tasker.parked
where subscription_id = $1
  and (next_at is not null or position > $2)
order by position
