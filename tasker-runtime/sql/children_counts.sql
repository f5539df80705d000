-- count the tasks that step $2 of task $1 started and that are not over
-- And the item after the last one that was started, and whether one did not complete that its attempt $3 started.
select (select count(*) from tasker.children where parent_id = $1 and step = $2 and ended = 0),
    (select coalesce(max(item), -1) + 1 from tasker.children where parent_id = $1 and step = $2),
    (select count(*) from tasker.children where parent_id = $1 and step = $2 and attempt = $3 and ended = 2)
