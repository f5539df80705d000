-- read which tasks before the task $2 are in line for the key $1 (0) or have their turn (1), oldest first
select g.task_id, g.state
from (
    select task_id, state
    from tasker.turns
    where key = $1
      and state = 0
      and task_id < $2
    union all
    select task_id, state
    from tasker.turns
    where key = $1
      and state = 1
      and task_id < $2
) g
join tasker.runs r on r.task_id = g.task_id
where r.finished_at is null
order by g.task_id
