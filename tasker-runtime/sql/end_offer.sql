-- end an offer
-- No row: worker $3 does not have step $2 of task $1 on loan under lease $4 any more.
delete from tasker.offers
where task_id = $1
  and step = $2
  and taker = $3
  and lease = $4
