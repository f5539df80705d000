-- note that step $2 of task $1 started tasks in its attempt $3
-- They stand below $4 tasks, and are cancelled and paused with this one where $5 is 1. $6 item, $7 task.
insert into tasker.children (parent_id, step, attempt, depth, cascades, item, child_id)
select $1, $2, $3, $4, $5, e.item, e.child_id
from unnest($6::bigint[], $7::bigint[]) as e (item, child_id)
