-- note that step $2 of task $1 started tasks in its attempt $3
-- They stand below $4 tasks, and are cancelled and paused with this one where $5 is 1. $6 [item, task].
insert into children (parent_id, step, attempt, depth, cascades, item, child_id)
select $1, $2, $3, $4, $5, value ->> 0, value ->> 1
from jsonb_each($6)
