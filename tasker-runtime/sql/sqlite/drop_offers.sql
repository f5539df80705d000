-- forget what was offered of the tasks $1
delete from offers
where task_id in (select value from json_each($1))
