-- lock the lines of the keys $1 until the transaction ends, in one order for all
select pg_advisory_xact_lock(hashtextextended(k.key, 0))
from (select key from unnest($1::text[]) as u (key) order by key) k
