-- delete what is recorded of earlier rounds of steps: $1 [task, step, the attempt that ended the last one]
delete from attempts
where rowid in (
    select a.rowid
    from jsonb_each($1) e
    -- Where that was recorded, and not refused.
    cross join attempts l on l.task_id = e.value ->> 0
        and l.step = e.value ->> 1
        and l.attempt = e.value ->> 2
        and l.round is not null
    cross join attempts a on a.task_id = l.task_id and a.step = l.step and a.attempt < l.attempt
)
