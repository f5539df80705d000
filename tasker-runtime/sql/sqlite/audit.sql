-- note what an operator did
-- To task $1 at $2: actor $3, action $4, detail $5, reason $6.
insert into audit (task_id, created_at, actor, action, detail, reason)
values ($1, $2, $3, $4, $5, $6)
returning id
