-- register a worker
-- Name $1, started at $2, alive until $3, with the handlers $4.
insert into tasker.workers (name, started_at, seen_at, expires_at, handlers)
values ($1, $2, $2, $3, $4::json)
returning id
