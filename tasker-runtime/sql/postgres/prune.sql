-- delete tasks that are over, with everything that belongs to them
-- Of the tasks after number $1 up to number $2 those that ended before $3 in the states $4 to $5, which are returned.
-- The row of a task that an operator takes up again meanwhile is looked at once more when it is free.
with gone as (
    delete from tasker.runs
    where task_id > $1
      and task_id <= $2
      and finished_at < $3
      and state between $4 and $5
      -- Who waits for it has yet to read what it came to.
      and not exists (
          select 1
          from tasker.children c
          join tasker.runs parent on parent.task_id = c.parent_id and parent.finished_at is null
          where c.child_id = runs.task_id
      )
    returning task_id
), steps as (
    delete from tasker.steps where task_id in (select task_id from gone)
), attempts as (
    delete from tasker.attempts where task_id in (select task_id from gone)
), checkpoints as (
    delete from tasker.checkpoints where task_id in (select task_id from gone)
), offers as (
    delete from tasker.offers where task_id in (select task_id from gone)
), commands as (
    delete from tasker.commands where task_id in (select task_id from gone)
), signals as (
    delete from tasker.signals where task_id in (select task_id from gone)
), children as (
    delete from tasker.children where parent_id in (select task_id from gone)
), turns as (
    delete from tasker.turns where task_id in (select task_id from gone)
), dead_letters as (
    delete from tasker.dead_letters where task_id in (select task_id from gone)
), audit as (
    delete from tasker.audit where task_id in (select task_id from gone)
), tasks as (
    delete from tasker.tasks where id in (select task_id from gone)
)
select task_id from gone
