-- read which tasks of the keys $1 have their turn, and are not over
select g.key, t.uuid
from turns g
join runs r on r.task_id = g.task_id
join tasks t on t.id = g.task_id
where g.key in (select value from json_each($1))
  and g.state = 1
  and r.finished_at is null
order by g.task_id
