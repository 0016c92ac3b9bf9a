#!/bin/sh
# `make run`: the real entrypoint on this machine, with an embedded PostgreSQL that is kept between runs and
# development-only secrets. Ctrl-C ends all of it.
set -eu
cd "$(dirname "$0")/.."

export PORT="${PORT:-8000}" BIND="${BIND:-127.0.0.1}"
export SECRET_KEY="${SECRET_KEY:-development-only-$(id -u)-not-for-any-deployment-whatsoever}"
export ALLOWED_HOSTS="${ALLOWED_HOSTS:-127.0.0.1,localhost}"
export INGEST_TOKEN="${INGEST_TOKEN:-development-only-ingest-token}"

echo "watchstats: http://127.0.0.1:$PORT/api/docs   health: /livez /readyz   (Ctrl-C ends it)"
exec python -m project.embedded --data "${DATA:-.data/postgres}" --postgres "${POSTGRES:-16}" -- ./entrypoint.sh
