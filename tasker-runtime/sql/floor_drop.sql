-- drop the table of the floor measurement
drop table if exists tasker.bench_floor
