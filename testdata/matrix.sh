#!/usr/bin/env bash
# matrix.sh [inputs|all]: sends a file of every format through the conversions, and has what comes out opened by other programs.
# Inputs, the default, has every engine read and write at least once all that it can; all tries every way there is, which
# takes hours. What makes the samples and opens the outputs is installed first.
set -euo pipefail
cd "$(dirname "$0")/.."
export GANTRY_TOOLS=${GANTRY_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/gantry-tools/wasm}
testdata/tools.sh full

packages=(graphicsmagick mediainfo p7zip-full unzip xz-utils zstd cpio genisoimage ncompress rpm file fontconfig poppler-utils
  arj arc gcab dcmtk fp-utils-3.2.2)
missing=()
for p in "${packages[@]}"; do
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null)" = installed ] || missing+=("$p")
done
if [ ${#missing[@]} -gt 0 ]; then
  echo "will install: ${missing[*]}"
  root=()
  [ "$(id -u)" = 0 ] || root=(sudo -n)
  "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -y install --no-install-recommends "${missing[@]}" >/dev/null
fi
GANTRY_MATRIX=${1:-inputs} go test ./tasks/all -run TestMatrix -count 1 -timeout 8h -v
