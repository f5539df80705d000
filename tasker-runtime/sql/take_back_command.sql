-- take back what was asked of task $1 and is still to be followed, where it is the command $2
delete from tasker.commands
where task_id = $1
  and cast(command as text) = $2
