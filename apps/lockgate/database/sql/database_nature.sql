-- What of a database decides whether a dump of another one fits into it.
SELECT pg_catalog.current_schema()                   AS schema,
       pg_catalog.current_setting('server_encoding') AS encoding,
       (SELECT datcollate FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()) AS collation,
       ARRAY(SELECT pg_catalog.unnest(setconfig) FROM pg_catalog.pg_db_role_setting
             WHERE setdatabase = (SELECT oid FROM pg_catalog.pg_database
                                  WHERE datname = pg_catalog.current_database())) AS settings;
