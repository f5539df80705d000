-- create the table of the floor measurement, like steps
create table tasker.bench_floor (like tasker.steps including all)
