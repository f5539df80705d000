-- count connections, and what limits them
-- The server's, this role's and this database's limit, each with how many there are; below 0: there is none.
select
    current_setting('max_connections')::bigint - current_setting('superuser_reserved_connections')::bigint,
    (select count(*) from pg_stat_activity where datname is not null),
    (select rolconnlimit::bigint from pg_roles where rolname = current_user),
    (select count(*) from pg_stat_activity where usename = current_user and datname is not null),
    (select datconnlimit::bigint from pg_database where datname = current_database()),
    (select count(*) from pg_stat_activity where datname = current_database())
