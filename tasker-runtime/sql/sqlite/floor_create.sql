-- create the table of the floor measurement, like steps
create table bench_floor (
    task_id integer not null,
    started_at integer not null,
    finished_at integer not null,
    worker integer not null,
    step integer not null,
    attempt integer not null,
    kind integer not null default 0,
    result text not null,
    primary key (task_id, step)
) strict
