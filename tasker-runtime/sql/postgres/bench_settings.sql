-- read the settings that decide how fast the database writes
select name, current_setting(name)
from pg_settings
where name in ('autovacuum', 'fsync', 'full_page_writes', 'max_wal_size', 'shared_buffers', 'synchronous_commit',
    'wal_compression', 'wal_level')
order by name
