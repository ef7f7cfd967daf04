#!/bin/sh
# Two roles for the product: personalq_owner owns the database and its tables, and migrations run as it; personalq is
# what web, worker and beat sign in as, with rights on rows that `manage.py grant_app_role personalq` gives it.
# Neither can do anything else. The superuser is left for you.
#
# Runs by itself when the volume of PostgreSQL is empty. It may be run again: to set both passwords anew, and to bring a
# database that personalq owned before under personalq_owner (docs/operations.md, "Two roles").
set -eu

psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres <<'SQL'
\getenv password PERSONALQ_DATABASE_PASSWORD
\getenv owner_password PERSONALQ_DATABASE_OWNER_PASSWORD
SELECT format('CREATE ROLE %I', name) FROM unnest(ARRAY['personalq', 'personalq_owner']) AS name
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) \gexec
ALTER ROLE personalq_owner
    LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS PASSWORD :'owner_password';
ALTER ROLE personalq LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS PASSWORD :'password';
SELECT 'CREATE DATABASE personalq' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'personalq') \gexec
\connect personalq
REASSIGN OWNED BY personalq TO personalq_owner;
ALTER DATABASE personalq OWNER TO personalq_owner;
REVOKE ALL ON DATABASE personalq FROM PUBLIC;
GRANT CONNECT ON DATABASE personalq TO personalq;
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
SQL
