-- forget that the events at $2 are parked for subscription $1
delete from tasker.parked
where subscription_id = $1
  and position = any ($2)
