#!/bin/sh
# Looks up which images the tags below name today, and writes them with their digests into .env:
#
#     deploy/pin-images.sh            or another file: deploy/pin-images.sh /etc/personalq/env
#
# Once a month, and whenever one of them mends something: run it again, then build and start anew (docs/dependencies.md).
set -eu
file=${1:-.env}
[ -f "$file" ] || { echo "$file is not there: install -m 600 .env.example $file" >&2; exit 1; }

pin() {
    docker pull --quiet "$2" >/dev/null
    digest=$(docker image inspect --format '{{range .RepoDigests}}{{println .}}{{end}}' "$2" \
        | grep -E "^(docker\.io/)?(library/)?${2%:*}@sha256:[0-9a-f]{64}$" | head -n 1 | cut -d @ -f 2)
    [ -n "$digest" ] || { echo "docker knows no digest of $2" >&2; exit 1; }
    echo "$1=$2@$digest"
}

pinned=$(
    set -eu
    pin PYTHON_IMAGE python:3.11-slim-bookworm
    pin POSTGRES_IMAGE postgres:18-bookworm
    pin VALKEY_IMAGE valkey/valkey:9.0-trixie
    pin CADDY_IMAGE caddy:2-alpine
)
umask 077
{
    grep -v -E '^(# )?(PYTHON|POSTGRES|VALKEY|CADDY)_IMAGE=' "$file" || true
    echo "$pinned"
} >"$file.new"
# Into the file and not in its place: who owns it and who may read it stays as it is.
cat "$file.new" >"$file"
rm "$file.new"
echo "$pinned"
