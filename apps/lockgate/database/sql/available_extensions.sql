-- The version that each extension of this server would be created in.
SELECT name, default_version FROM pg_catalog.pg_available_extensions WHERE name = ANY(%(names)s);
