-- What of a database decides whether a dump of another one fits into it.
SELECT current_schema()                          AS schema,
       current_setting('server_encoding')        AS encoding,
       (SELECT datcollate FROM pg_database WHERE datname = current_database()) AS collation,
       ARRAY(SELECT unnest(setconfig) FROM pg_db_role_setting
             WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())) AS settings;
