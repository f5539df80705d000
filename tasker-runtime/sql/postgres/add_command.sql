-- ask the holder of task $1 at $2 to follow the command $3
insert into tasker.commands (task_id, created_at, command)
values ($1, $2, $3::json)
