-- note that task $1 started the tasks $2
update tasker.tasks
set parent_id = $1
where id = any ($2)
