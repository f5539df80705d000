-- note that worker $1 has the handlers $2 from now on
update workers
set handlers = $2
where id = $1
