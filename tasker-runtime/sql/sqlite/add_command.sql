-- ask the holder of task $1 at $2 to follow the command $3
-- It stands in line $4 of the audit trail, or in none.
insert into commands (task_id, created_at, command, audit_id)
values ($1, $2, $3, $4)
