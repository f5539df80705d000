-- note where task $1 comes from: $2
update tasks
set origin = $2
where id = $1
