-- read what is to be looked at first of the schedules of the templates $1, at most $2
select name, due_at, cancels, cast(last_task as text)
from schedules
where due_at is not null
  and template in (select value from json_each($1))
order by due_at
limit $2
