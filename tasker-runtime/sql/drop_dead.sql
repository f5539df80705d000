-- forget dead letters of subscription $1: the one at position $2; null: all
delete from tasker.parked
where subscription_id = $1
  and next_at is null
  and position = coalesce($2, position)
