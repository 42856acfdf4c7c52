# shellcheck shell=bash
# Sourced: starts $gantry on a free port with its data in $data, and sets server (its pid) and url.
mkfifo "$data/announce"
"$gantry" serve --listen 127.0.0.1:0 --data "$data" >"$data/announce" 2>"$data/log" &
server=$!
if ! read -r -t 30 line <"$data/announce"; then
  echo "the server did not start:" >&2
  cat "$data/log" >&2
  exit 1
fi
url=${line#listening on }
