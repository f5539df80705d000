-- line tasks up
-- $1 [task, slot, key, how many at once, state, priority, due]
insert into turns (task_id, slot, key, most, state, priority, due_at)
select value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6
from jsonb_each($1)
