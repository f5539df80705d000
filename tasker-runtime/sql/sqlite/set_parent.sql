-- note that task $1 started the tasks $2
update tasks
set parent_id = $1
where id in (select value from json_each($2))
