-- write how far schedules are
-- $1 [name, next tick, when to look at it next, ticks that wait, last tick, its task, tasks that started, ticks that
-- started none, why the last one did not]
update schedules
set next_at = m.value ->> 1, due_at = m.value ->> 2, waiting = m.value ->> 3, last_at = m.value ->> 4,
    last_task = m.value ->> 5, started = m.value ->> 6, skipped = m.value ->> 7, problem = m.value ->> 8
from jsonb_each($1) m
where schedules.name = m.value ->> 0
