-- tell the other processes $1
select pg_notify('tasker', $1)
