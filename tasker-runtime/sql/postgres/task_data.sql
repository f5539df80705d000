-- read what never changes about the tasks $1
select id, uuid, template_id, correlation_id, created_at, context::text
from tasker.tasks
where id = any ($1)
