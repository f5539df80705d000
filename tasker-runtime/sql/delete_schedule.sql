-- delete the schedule $1
delete from tasker.schedules
where name = $1
