#!/usr/bin/env bash
# test.sh: installs what the tests need beside Go, and runs all of them. What cannot be installed fails the run, unless
# SKIP_TOOLS (separated by spaces) or SKIP_SERVERS (separated by commas) names it; the tests that need it then skip, and the
# summary says so.
set -euo pipefail
cd "$(dirname "$0")/.."

# The second readers that outputs are opened with, as Debian packages.
packages=(poppler-utils libheif-examples unzip python3 bubblewrap qpdf ghostscript ocrmypdf pandoc chromium libimage-exiftool-perl)
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
