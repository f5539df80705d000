-- read what the server has used
-- The process that serves this connection, whether it may be on the same machine, bytes of WAL so far.
select pg_backend_pid(),
    inet_server_addr() is null or host(inet_server_addr()) = host(inet_client_addr()),
    pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint
