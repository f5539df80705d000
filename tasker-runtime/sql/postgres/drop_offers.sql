-- forget what was offered of the tasks $1
delete from tasker.offers
where task_id = any ($1)
