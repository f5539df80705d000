-- give the next in the lines of the keys $1, which are locked, their turns
-- Their rows are 0 and a queue with the time from which it has work, or 1 and the key of the limit that comes next.
update turns
set state = 3
where key in (select value from json_each($1))
  and state = 1
  and exists (select 1 from runs r where r.task_id = turns.task_id and r.finished_at is not null);
update turns
set state = 4
where (task_id, slot) in (
    select task_id, slot
    from (
        select g.task_id, g.slot, g.most,
            row_number() over (partition by g.key order by g.priority desc, g.task_id) as place,
            (select count(*) from turns h where h.key = g.key and h.state = 1) as taken
        from json_each($1) k
        join turns g on g.rowid in (
            select l.rowid
            from turns l
            cross join runs r on r.task_id = l.task_id
            where l.key = k.value
              and l.state = 0
              and r.finished_at is null
            order by l.priority desc, l.task_id
            limit 200
        )
    )
    where place + taken <= most
);
update turns
set state = 0
where state = 2
  and (task_id, slot) in (select task_id, slot + 1 from turns where state = 4);
update runs
set run_at = (select g.due_at from turns g where g.task_id = runs.task_id and g.state = 4),
    cause = null
where task_id in (
    select g.task_id
    from turns g
    where g.state = 4
      and not exists (select 1 from turns n where n.task_id = g.task_id and n.slot = g.slot + 1)
  )
  and run_at = 9223372036854775807
  and state = 0
  and owner is null
  and finished_at is null;
select 0, r.queue, min(g.due_at)
from turns g
join runs r on r.task_id = g.task_id
where g.state = 4
  and not exists (select 1 from turns n where n.task_id = g.task_id and n.slot = g.slot + 1)
group by r.queue
union all
select distinct 1, n.key, 0
from turns g
join turns n on n.task_id = g.task_id and n.slot = g.slot + 1
where g.state = 4;
update turns
set state = 1
where state = 4
