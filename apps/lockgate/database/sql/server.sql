-- Who answers, and whether it can be written to.
SELECT current_setting('server_version')                      AS version,
       current_setting('server_version_num')::int             AS version_number,
       current_database()                                     AS database,
       current_user                                           AS "user",
       coalesce(host(inet_server_addr()) || ':' || inet_server_port(), 'local socket') AS address,
       current_setting('transaction_read_only')::boolean      AS read_only,
       pg_is_in_recovery()                                    AS standby;
