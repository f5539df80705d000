-- line the task $1, which is taken up again, up anew
update tasker.turns
set state = case when slot = 0 then 0 else 2 end
where task_id = $1
