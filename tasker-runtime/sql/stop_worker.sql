-- note that worker $1 stopped at $2
update tasker.workers
set stopped_at = $2
where id = $1
