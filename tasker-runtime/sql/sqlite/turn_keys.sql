-- read the keys whose turns the tasks $1 had or wait for
select distinct key
from turns
where task_id in (select value from json_each($1))
