#!/bin/sh
# Runs once, when the volume of PostgreSQL is empty: the product gets a database and a role that owns it and can do
# nothing else. The superuser is left for you.
set -eu

psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres <<'SQL'
\getenv password PERSONALQ_DATABASE_PASSWORD
CREATE ROLE personalq LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION PASSWORD :'password';
CREATE DATABASE personalq OWNER personalq;
REVOKE ALL ON DATABASE personalq FROM PUBLIC;
SQL
