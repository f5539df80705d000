-- read what is to be looked at first of the schedules of the templates $1, at most $2
select name, due_at, cancels, cast(last_task as text)
from tasker.schedules
where due_at is not null
  and template = any ($1)
order by due_at
limit $2
