#!/usr/bin/env bash
# bench.sh BINARY [flags of cmd/bench]: measures the program against its peers. nginx, the peer of downloads, is taken from
# the machine, or unpacked from its Debian package into GANTRY_CACHE: nothing is installed and no service started.
set -euo pipefail
gantry=$(realpath "$1")
shift
cd "$(dirname "$0")/.."
cache=${GANTRY_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/gantry-tools}

nginx=$(PATH=$PATH:/usr/sbin command -v nginx || true)
if [ -z "$nginx" ]; then
  nginx=$cache/nginx/usr/sbin/nginx
  if [ ! -x "$nginx" ]; then
    echo "will unpack: nginx, into $cache"
    mkdir -p "$cache"
    tmp=$(mktemp -d "$cache/.nginx.XXXXXX")
    trap 'rm -rf "$tmp"' EXIT
    (
      cd "$tmp"
      apt-get -qq download nginx 2>/dev/null || {
        root=()
        [ "$(id -u)" = 0 ] || root=(sudo -n)
        "${root[@]}" apt-get -qq update >/dev/null
        apt-get -qq download nginx 2>/dev/null
      }
      dpkg -x nginx_*.deb root
    )
    rm -rf "$cache/nginx"
    mv "$tmp/root" "$cache/nginx"
  fi
fi

# The peers of conversions that are no part of the profiles.
missing=()
for p in python3-uno zip chromium; do
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null)" = installed ] || missing+=("$p")
done
if [ ${#missing[@]} -gt 0 ]; then
  echo "will install: ${missing[*]}"
  root=()
  [ "$(id -u)" = 0 ] || root=(sudo -n)
  "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -y install --no-install-recommends "${missing[@]}" >/dev/null 2>&1 ||
    echo "could not be installed: what is compared with them is left out"
fi

go build -o bin/bench ./cmd/bench
exec bin/bench -gantry "$gantry" -nginx "$nginx" "$@"
