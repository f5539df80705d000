-- ask whether the schema is there, and the table of migrations
select (to_regnamespace('tasker') is not null)::integer, (to_regclass('tasker.migrations') is not null)::integer
