-- note of those of the tasks $1 that are over, and that others started, that they are
-- Returns who started them.
update children
set ended = 1
where child_id in (select value from json_each($1))
  and ended = 0
  and exists (select 1 from runs r where r.task_id = child_id and r.finished_at is not null)
returning parent_id
