-- What other sessions see of this one.
--   name: text
SELECT pg_catalog.set_config('application_name', %(name)s::pg_catalog.text, false) AS name;
