-- line tasks up
-- $1 task, $2 slot, $3 key, $4 how many at once, $5 state, $6 priority, $7 due
insert into tasker.turns (task_id, slot, key, most, state, priority, due_at)
select * from unnest($1::bigint[], $2::bigint[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[])
