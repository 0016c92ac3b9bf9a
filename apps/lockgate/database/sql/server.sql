-- Who answers, and whether it can be written to.
SELECT pg_catalog.current_setting('server_version') AS version,
       pg_catalog.current_setting('server_version_num')::int AS version_number,
       pg_catalog.current_database() AS database,
       current_user AS "user",
       coalesce(pg_catalog.host(pg_catalog.inet_server_addr()) || ':'
                || pg_catalog.inet_server_port()::pg_catalog.text, 'local socket') AS address,
       pg_catalog.current_setting('transaction_read_only')::boolean AS read_only,
       pg_catalog.pg_is_in_recovery() AS standby;
