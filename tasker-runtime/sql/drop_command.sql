-- forget the command $1
delete from tasker.commands
where id = $1
