-- delete tasks that are over, with everything that belongs to them
-- Of the tasks after number $1 up to number $2 those that ended before $3 in the states $4 to $5, which are returned.
-- After them goes what belongs to no task of these numbers any more.
delete from runs
where task_id > $1
  and task_id <= $2
  and finished_at < $3
  and state between $4 and $5
  -- Who waits for it has yet to read what it came to.
  and not exists (
      select 1
      from children c
      join runs parent on parent.task_id = c.parent_id and parent.finished_at is null
      where c.child_id = runs.task_id
  )
returning task_id;
delete from steps
where task_id > $1
  and task_id <= $2
  and task_id not in (select task_id from runs);
delete from attempts
where task_id > $1
  and task_id <= $2
  and task_id not in (select task_id from runs);
delete from checkpoints
where task_id > $1
  and task_id <= $2
  and task_id not in (select task_id from runs);
delete from offers
where task_id > $1
  and task_id <= $2
  and task_id not in (select task_id from runs);
delete from commands
where task_id > $1
  and task_id <= $2
  and task_id not in (select task_id from runs);
delete from signals
where task_id > $1
  and task_id <= $2
  and task_id not in (select task_id from runs);
delete from children
where parent_id > $1
  and parent_id <= $2
  and parent_id not in (select task_id from runs);
delete from turns
where task_id > $1
  and task_id <= $2
  and task_id not in (select task_id from runs);
delete from dead_letters
where task_id > $1
  and task_id <= $2
  and task_id not in (select task_id from runs);
delete from audit
where task_id > $1
  and task_id <= $2
  and task_id not in (select task_id from runs);
delete from tasks
where id > $1
  and id <= $2
  and id not in (select task_id from runs)
