-- forget that the events at $2 are parked for subscription $1
delete from parked
where subscription_id = $1
  and position in (select value from json_each($2))
