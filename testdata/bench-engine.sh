#!/usr/bin/env bash
# bench-engine.sh [flags of cmd/bench]: measures the engine on PostgreSQL with several processes beside River alone and beside
# the embedded engine. The server is one of its own, which writes as durably as one that matters.
set -euo pipefail
cd "$(dirname "$0")/.."
dir=$(mktemp -d)
trap 'testdata/servers/postgres.sh stop "$dir"; rm -rf "$dir"' EXIT
url=$(POSTGRES_FSYNC=on OWNER_PID=$$ testdata/servers/postgres.sh start "$dir" | sed -n 's/^POSTGRES_URL=//p')
go build -o bin/bench ./cmd/bench
bin/bench -only engine -postgres "$url" "$@"
