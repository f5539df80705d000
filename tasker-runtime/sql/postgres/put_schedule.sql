-- put a schedule in its place
-- $1 name, $2 template, $3 version of the template, $4 definition, $5 whether it cancels, $6 whether it is paused,
-- $7 next tick, $8 when to look at it next, $9 created; what it has done so far stays
insert into tasker.schedules (name, template, version, definition, cancels, paused, next_at, due_at, created_at)
values ($1, $2, $3, $4::json, $5, $6, $7, $8, $9)
on conflict (name) do update
set template = excluded.template, version = excluded.version, definition = excluded.definition,
    cancels = excluded.cancels, paused = excluded.paused, next_at = excluded.next_at, due_at = excluded.due_at,
    waiting = '[]', problem = null
