-- read which migrations were applied
select version, lower(hex(checksum))
from _sqlx_migrations
where success
order by version
