#!/usr/bin/env bash
# serve.sh BINARY: keeps a server with data of its own until it is interrupted, and prints a curl line that works.
set -euo pipefail
gantry=$1
jobs=$(dirname "$0")
data=$(mktemp -d)
server=
trap 'kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; rm -rf "$data"' EXIT
trap 'exit 0' INT TERM

. "$jobs/start.sh"
echo "listening on $url, with the data in $data; stop with Ctrl-C"
echo "In another terminal:"
echo
cat <<LINE
curl -s $url/sync/v2/jobs -H "Authorization: Bearer \$(cat $data/api-key)" -d '{"tasks": {"text": {"operation": "import/raw", "file": "# Hello", "filename": "hello.md"}, "pdf": {"operation": "convert", "input": "text", "output_format": "pdf"}, "link": {"operation": "export/url", "input": "pdf"}}}'
LINE
wait "$server"
