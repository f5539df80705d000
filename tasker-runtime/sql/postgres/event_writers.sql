-- the transactions of this database that are about to commit events
select virtualtransaction
from pg_locks
where locktype = 'advisory'
  and database = (select oid from pg_database where datname = current_database())
  and classid = 1413567339
  and objid = 1702261358
  and objsubid = 2
  and granted
