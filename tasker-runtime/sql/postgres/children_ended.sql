-- note of those of the tasks $1 that are over, and that others started, that they are
-- Returns who started them.
update tasker.children c
set ended = 1
from tasker.runs r
where c.child_id = any ($1)
  -- (Not `= 0`, which would lead the planner to the index on those that are not over.)
  and c.ended < 1
  and r.task_id = c.child_id
  and r.finished_at is not null
returning c.parent_id
