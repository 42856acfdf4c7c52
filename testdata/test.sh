#!/usr/bin/env bash
# test.sh: installs what the tests need beside Go, and runs all of them. What cannot be installed fails the run, unless
# SKIP_TOOLS (separated by spaces) or SKIP_SERVERS (separated by commas) names it; the tests that need it then skip, and the
# summary says so.
set -euo pipefail
cd "$(dirname "$0")/.."

# The programs that conversions use; with SKIP_TOOLS only those that are there.
export GANTRY_TOOLS=${GANTRY_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/gantry-tools/wasm}
[ -n "${SKIP_TOOLS:-}" ] || testdata/tools.sh full

# The second readers that outputs are opened with, what makes inputs, and the browser that the engine's is compared with, as
# Debian packages.
packages=(chromium gcc libc6-dev poppler-utils libheif-examples unzip p7zip-full xz-utils arj arc gcab cpio
  genisoimage ncompress fontconfig python3 python3-requests graphicsmagick curl wget httpie)
missing=()
for p in "${packages[@]}"; do
  [[ " ${SKIP_TOOLS:-} " == *" $p "* ]] && continue
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null)" = installed ] || missing+=("$p")
done
if [ ${#missing[@]} -gt 0 ]; then
  echo "will install: ${missing[*]}"
  root=()
  [ "$(id -u)" = 0 ] || root=(sudo -n)
  apt=("${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o DPkg::Lock::Timeout=300)
  "${apt[@]}" install --no-install-recommends "${missing[@]}" >/dev/null 2>&1 || {
    "${apt[@]}" update >/dev/null
    "${apt[@]}" install --no-install-recommends "${missing[@]}" >/dev/null
  }
else
  echo "will install: nothing, all is there"
fi
[ -z "${SKIP_TOOLS:-}" ] || echo "left out by SKIP_TOOLS: $SKIP_TOOLS"

# The servers that exporters are tested against are started by the tests themselves; here they are only installed, so that
# what is missing is said before anything runs.
absent=()
for script in testdata/servers/*.sh; do
  name=$(basename "$script" .sh)
  [ "$name" != versitygw ] || [ -n "${GANTRY_VERSITY:-}" ] || continue # it takes minutes to build, and is a third opinion
  [ "$name" = lib ] || [[ ",${SKIP_SERVERS:-}," == *",$name,"* ]] || "$script" have || absent+=("$name")
done
if [ ${#absent[@]} -gt 0 ]; then
  echo "will install the test servers: ${absent[*]} (a first build can take some minutes; it is kept)"
  for name in "${absent[@]}"; do "testdata/servers/$name.sh" install; done
else
  echo "will install the test servers: none, all are there"
fi
[ -z "${SKIP_SERVERS:-}" ] || echo "left out by SKIP_SERVERS: $SKIP_SERVERS"

unformatted=$(gofmt -l $(git ls-files '*.go'))
[ -z "$unformatted" ] || { echo "not formatted: $unformatted"; exit 1; }
go vet ./...
GANTRY_TESTS=all go test -timeout 25m "$@" ./...

# The same end to end, with PostgreSQL in place of SQLite. FOOTINGS=sqlite leaves that out. What starts several processes has
# a database of its own in any case, and runs once.
[ "${FOOTINGS:-both}" = both ] && [[ ",${SKIP_SERVERS:-}," != *,postgres,* ]] || exit 0
dir=$(mktemp -d)
trap 'testdata/servers/postgres.sh stop "$dir"; rm -rf "$dir"' EXIT
url=$(OWNER_PID=$$ testdata/servers/postgres.sh start "$dir" | sed -n 's/^POSTGRES_URL=//p')
echo "once more, on PostgreSQL"
GANTRY_TESTS=all GANTRY_FOOTING=postgres GANTRY_TEST_DATABASE=$url go test -timeout 25m "$@" \
  -skip 'Peer|SeedStores|CheckStores|Chaos|Frozen|Away|Bucket|Redirect|StartTogether|SharedKeys|Upgrade|UnlikeClocks|Reference|Arrow|Fuzz' \
  ./cmd ./api/... ./tasks/archive ./tasks/export ./tasks/imports
