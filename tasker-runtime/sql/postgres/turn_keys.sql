-- read the keys whose turns the tasks $1 had or wait for
select distinct key
from tasker.turns
where task_id = any ($1::bigint[])
