-- read the kept contents of version $3 of template $1/$2, newest first
select id, digest
from tasker.templates
where namespace = $1
  and name = $2
  and version = $3
order by id desc
