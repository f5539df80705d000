-- offer a step again that worker $3 took and did not run
update tasker.offers
set taker = null
where task_id = $1
  and step = $2
  and taker = $3
