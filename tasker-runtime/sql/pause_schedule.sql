-- pause the schedule $1 (1 as $2) or let it go on (0): its next tick $3, when to look at it next $4
update tasker.schedules
set paused = $2, next_at = $3, due_at = $4
where name = $1
