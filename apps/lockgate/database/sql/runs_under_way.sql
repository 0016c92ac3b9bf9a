-- Whether a run is under way that nobody has closed, and the backend that answers.
SELECT EXISTS (SELECT FROM lockgate_run WHERE outcome::pg_catalog.text = 'running') AS unclosed,
       pg_catalog.pg_backend_pid() AS backend_pid;
