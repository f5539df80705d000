-- read what never changes about the tasks $1
select id, uuid, template_id, correlation_id, created_at, context
from tasks
where id in (select value from json_each($1))
