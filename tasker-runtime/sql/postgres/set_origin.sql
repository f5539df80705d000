-- note where task $1 comes from: $2
update tasker.tasks
set origin = $2::json
where id = $1
