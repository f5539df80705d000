-- read which migrations were applied
select version, encode(checksum, 'hex')
from tasker.migrations
where success
order by version
