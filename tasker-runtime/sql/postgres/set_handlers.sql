-- note that worker $1 has the handlers $2 from now on
update tasker.workers
set handlers = $2::json
where id = $1
