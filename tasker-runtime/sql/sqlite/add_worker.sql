-- register a worker
-- Name $1, started at $2, alive until $3, with the handlers $4, working for the queues $5 (null: all).
insert into workers (name, started_at, seen_at, expires_at, handlers, queues)
values ($1, $2, $2, $3, $4, $5)
returning id
