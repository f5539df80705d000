-- write how far schedules are
-- $1 name, $2 next tick, $3 when to look at it next, $4 ticks that wait, $5 last tick, $6 its task, $7 tasks that
-- started, $8 ticks that started none, $9 why the last one did not
update tasker.schedules s
set next_at = m.next_at, due_at = m.due_at, waiting = m.waiting::json, last_at = m.last_at,
    last_task = m.last_task::uuid, started = m.started, skipped = m.skipped, problem = m.problem
from unnest($1::text[], $2::bigint[], $3::bigint[], $4::text[], $5::bigint[], $6::text[], $7::bigint[],
    $8::bigint[], $9::text[])
    as m (name, next_at, due_at, waiting, last_at, last_task, started, skipped, problem)
where s.name = m.name
