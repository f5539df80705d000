-- ask whether the table of migrations is there
select 1, (select count(*) from sqlite_schema where name = '_sqlx_migrations')
