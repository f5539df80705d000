-- note that migration $1, called $2, with the checksum $3 was applied
insert into tasker.migrations (version, description, success, checksum, execution_time)
values ($1, $2, true, decode($3, 'hex'), 0)
