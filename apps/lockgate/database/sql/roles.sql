-- A template: names stand in braces, and are put in as identifiers, those of parameters as literals.
BEGIN;
SET LOCAL search_path = pg_catalog;
SET LOCAL lockgate.owner = {owner_name};
SET LOCAL lockgate.service = {service_name};
SET LOCAL lockgate.schema = {schema_name};
SET LOCAL lockgate.read_only = {read_only};

-- The roles, without passwords: ALTER ROLE … PASSWORD, or pg_hba.conf, says how they log in.
DO $$
DECLARE
    owner_name text := current_setting('lockgate.owner');
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY[owner_name, current_setting('lockgate.service')] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) THEN
            EXECUTE format('CREATE ROLE %I LOGIN', wanted);
        END IF;
    END LOOP;
    IF pg_has_role(current_setting('lockgate.service'), owner_name, 'MEMBER') THEN
        RAISE EXCEPTION 'the service can become the owner: it is a member of it, or a superuser';
    END IF;
    -- Who is no superuser gives away what is the owner's as a member of it, until the end of this.
    IF NOT pg_has_role(owner_name, 'USAGE') THEN
        EXECUTE format(CASE WHEN current_setting('server_version_num')::integer < 160000 THEN 'GRANT %I TO CURRENT_USER'
                            ELSE 'GRANT %I TO CURRENT_USER WITH INHERIT TRUE, SET TRUE' END, owner_name);
        PERFORM set_config('lockgate.member', 'yes', true);
    END IF;
END $$;

-- The way in. Nobody but the owner makes anything in the schema (before PostgreSQL 15 everybody may, in public).
GRANT CONNECT, TEMPORARY{create} ON DATABASE {database} TO {owner};
GRANT CONNECT ON DATABASE {database} TO {service};
REVOKE CREATE ON SCHEMA {schema} FROM PUBLIC, {service};
GRANT USAGE, CREATE ON SCHEMA {schema} TO {owner};
GRANT USAGE ON SCHEMA {schema} TO {service};

-- What the owner will make.
ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA {schema} GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {service};
ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA {schema} GRANT USAGE, SELECT ON SEQUENCES TO {service};

-- What the owner has made; of what migrations are recorded in, the service reads alone.
DO $$
DECLARE
    service_name text := current_setting('lockgate.service');
    found record;
BEGIN
    FOR found IN
        WITH made AS (
            SELECT class.oid, class.relkind, format('%I.%I', namespace.nspname, class.relname) AS place,
                   class.relname::text = ANY (string_to_array(current_setting('lockgate.read_only'), ',')) AS read_only
            FROM pg_class AS class
            JOIN pg_namespace AS namespace ON namespace.oid = class.relnamespace
            JOIN pg_roles AS role ON role.oid = class.relowner
            WHERE namespace.nspname = current_setting('lockgate.schema') AND role.rolname = current_setting('lockgate.owner')
        )
        SELECT CASE relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END AS kind, place,
               CASE relkind WHEN 'S' THEN 'USAGE, SELECT' ELSE 'SELECT, INSERT, UPDATE, DELETE' END AS given,
               read_only OR EXISTS (
                   SELECT FROM pg_depend AS depend JOIN made AS parent ON parent.oid = depend.refobjid
                   WHERE parent.read_only AND depend.objid = made.oid AND depend.deptype IN ('a', 'i')
                     AND depend.classid = 'pg_class'::regclass AND depend.refclassid = 'pg_class'::regclass) AS read_only
        FROM made
        WHERE relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
    LOOP
        IF found.read_only THEN
            EXECUTE format('REVOKE ALL ON %s %s FROM PUBLIC, %I', found.kind, found.place, service_name);
            EXECUTE format('GRANT SELECT ON %s %s TO %I', found.kind, found.place, service_name);
        ELSE
            EXECUTE format('GRANT %s ON %s %s TO %I', found.given, found.kind, found.place, service_name);
        END IF;
    END LOOP;
END $$;

-- A GRANT or REVOKE that has no effect is a warning to PostgreSQL. What another role has made is not the owner's to alter.
DO $$
DECLARE
    owner_name text := current_setting('lockgate.owner');
    service_name text := current_setting('lockgate.service');
    schema_name text := current_setting('lockgate.schema');
    others text;
BEGIN
    IF NOT (has_database_privilege(owner_name, current_database(), 'CONNECT')
            AND has_database_privilege(service_name, current_database(), 'CONNECT')
            AND has_schema_privilege(owner_name, schema_name, 'USAGE')
            AND has_schema_privilege(owner_name, schema_name, 'CREATE')
            AND has_schema_privilege(service_name, schema_name, 'USAGE')) THEN
        RAISE EXCEPTION 'not everything was granted: run this as who owns the database and the schema, or as a superuser';
    END IF;
    IF has_schema_privilege(service_name, schema_name, 'CREATE') THEN
        RAISE EXCEPTION 'the service may still make things in the schema: run this as who owns it, or as a superuser';
    END IF;
    SELECT string_agg(DISTINCT format('REASSIGN OWNED BY %I TO %I;', role.rolname, owner_name), ' ') INTO others
    FROM pg_class AS class
    JOIN pg_namespace AS namespace ON namespace.oid = class.relnamespace
    JOIN pg_roles AS role ON role.oid = class.relowner
    WHERE namespace.nspname = schema_name AND class.relkind IN ('r', 'p') AND role.rolname <> owner_name
      AND NOT EXISTS (SELECT FROM pg_depend AS depend WHERE depend.classid = 'pg_class'::regclass
                      AND depend.objid = class.oid AND depend.deptype = 'e');
    IF others IS NOT NULL THEN
        RAISE WARNING 'other roles own tables here, which the owner cannot alter and the service was not let into'
              USING HINT = 'hand over all that is theirs in this database, and run this again: ' || others;
    END IF;
    IF current_setting('lockgate.member', true) = 'yes' THEN
        EXECUTE format('REVOKE %I FROM CURRENT_USER', owner_name);
    END IF;
END $$;
COMMIT;
