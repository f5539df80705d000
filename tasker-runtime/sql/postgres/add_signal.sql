-- add signal number $2 to task $1: sent at $3, of name $4, with idempotency key $5, saying $6
insert into tasker.signals (task_id, number, sent_at, name, key, payload)
values ($1, $2, $3, $4, $5, $6::json)
