-- read the content of template $1
select cast(content as text)
from tasker.templates
where id = $1
