-- find workers whose leases ran out before $1
select id, name
from workers
where stopped_at is null
  and expires_at < $1
order by id
