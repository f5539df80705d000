-- ask the holder of task $1 at $2 to follow the command $3
insert into commands (task_id, created_at, command)
values ($1, $2, $3)
