-- deliver dead letters of subscription $1 again from $3 on: the one at position $2; null: all
update tasker.parked
set next_at = $3,
    attempts = 0,
    redelivered = 1
where subscription_id = $1
  and next_at is null
  and position = coalesce($2, position)
