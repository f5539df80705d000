-- end an offer
-- No row: worker $3 does not have step $2 of task $1 on loan under lease $4 any more, or the task was taken
-- over since: whoever did that has not dropped its offers yet, but checkpoints are refused already.
delete from tasker.offers
where task_id = $1
  and step = $2
  and taker = $3
  and lease = $4
  and exists (select 1 from tasker.runs r where r.task_id = $1 and r.lease = $4)
