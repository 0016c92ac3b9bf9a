-- Lets the open transaction outlast every limit of a role, a database or the server: until its end, so a pooler keeps
-- nothing of it. A server that does not know one has none to lift.
SELECT pg_catalog.set_config(name, '0', true)
FROM pg_catalog.pg_settings
WHERE name IN ('statement_timeout'::pg_catalog.text, 'idle_in_transaction_session_timeout'::pg_catalog.text,
               'transaction_timeout'::pg_catalog.text, 'lock_timeout'::pg_catalog.text);
