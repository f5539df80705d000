-- note of those of the tasks $1 that are over, and that others started, that they are
-- Complete is the state $2. Returns who started them.
update children
set ended = (select case when r.state = $2 then 1 else 2 end from runs r where r.task_id = child_id)
where child_id in (select value from json_each($1))
  and ended = 0
  and exists (select 1 from runs r where r.task_id = child_id and r.finished_at is not null)
returning parent_id
