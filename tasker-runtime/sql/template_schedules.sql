-- read which schedules templates say
select name, template, version, cast(definition as text)
from tasker.schedules
where version is not null
