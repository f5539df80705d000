-- wait until nobody else brings the tables up to date, until the transaction ends
select pg_advisory_xact_lock(7305804402566915186)
