-- read the version of the database
select sqlite_version()
