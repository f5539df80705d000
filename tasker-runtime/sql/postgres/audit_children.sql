-- note that the tasks which are not over and were started by the tasks $1 were asked to follow a command, where they go with these
-- At $2: actor $3, action $4, detail $5.
insert into tasker.audit (task_id, created_at, actor, action, detail)
select c.child_id, $2, $3, $4, $5::json
from tasker.children c
where c.parent_id = any ($1)
  and c.ended = 0
  and c.cascades = 1
