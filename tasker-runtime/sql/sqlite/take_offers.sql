-- take offered steps
-- Worker $1 takes at most $3 of those offered for the target $2, the oldest first; unless it was given up:
-- nobody would ever offer them again then. Those that $4 takers died over are left to their holder.
update offers
set taker = $1
where (task_id, step) in (
    select task_id, step
    from offers
    where taker is null
      and exists (select 1 from workers where id = $1 and stopped_at is null)
      and target = $2
      and deaths < $4
    order by offered_at
    limit $3
)
returning task_id, step, attempt, lease, owner
