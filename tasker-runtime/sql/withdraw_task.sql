-- take back what is offered of task $1 under lease $2
-- Where $3 is 1, also what somebody has taken: what comes of it is refused then.
delete from tasker.offers
where task_id = $1
  and lease = $2
  and ($3 = 1 or taker is null)
