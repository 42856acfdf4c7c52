#!/usr/bin/env bash
# run.sh BINARY OUT: starts a server on a free port with data of its own, runs the sample job on it over HTTP, fetches the
# results into OUT, and stops the server.
set -euo pipefail
gantry=$1 out=$2
jobs=$(dirname "$0")
data=$(mktemp -d)
server=
cleanup() {
  if [ -n "$server" ]; then
    kill "$server" 2>/dev/null || true
    wait "$server" 2>/dev/null || true
  fi
  rm -rf "$data"
}
trap cleanup EXIT

. "$jobs/start.sh"
echo "server: $url"
"$gantry" run --server "$url" --key-file "$data/api-key" "$jobs/report.json" \
  report="$jobs/report.md" photo="$jobs/photo.jpg" -o "$out"
