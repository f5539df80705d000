-- move subscription $1, which worker $2 serves under lease $3, to position $4
-- $5 is 1 where it stops because too much is parked. No row: somebody else serves it, or an operator has changed it.
update tasker.subscriptions
set position = $4,
    since = case when $5 = 1 and state <> 2 then $6 else since end,
    state = case when $5 = 1 then 2 else state end
where id = $1
  and owner = $2
  and lease = $3
