-- read at most 500 keys, those after $1, for which tasks are in line, each with one look
with recursive lines (key, number) as (
    select (select min(key) from tasker.turns where state = 0 and key > $1), 1
    union all
    select (select min(g.key) from tasker.turns g where g.state = 0 and g.key > lines.key), lines.number + 1
    from lines
    where lines.key is not null
      and lines.number < 500
)
select key from lines where key is not null
