# shellcheck shell=bash
# Common part of the scripts that run real servers for the tests, on loopback, without containers. A script sources it,
# defines do_have, do_install and do_start, and ends with: main "$@".
#
#   NAME.sh have         exit 0 if everything is installed
#   NAME.sh install      install what is missing
#   NAME.sh start DIR    install if need be, start in the background with all state under DIR/NAME, wait until it answers,
#                        and print KEY=VALUE lines; a value goes to the end of its line and is not quoted
#   NAME.sh stop DIR     end everything that start started
#
# With OWNER_PID set, start also sees to it that the server ends when that process does.
set -euo pipefail
umask 022

NAME=$(basename "$0" .sh)
CACHE=${GANTRY_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/gantry-tools}
HOST=127.0.0.1
START_TIMEOUT=${START_TIMEOUT:-60}
STATE= # DIR/NAME, set by main

log() { echo "$NAME: $*" >&2; }
die() { log "$*"; exit 1; }

# --- installing

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

apt_have() { # apt_have PACKAGE...
  local p
  for p in "$@"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null)" = installed ] || return 1
  done
}

# apt_need PACKAGE...: install what is missing; no service is started.
apt_need() {
  apt_have "$@" && return
  local policy=/usr/sbin/policy-rc.d own='' rc=0
  local apt=(env DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0)
  if [ ! -e $policy ]; then
    printf '#!/bin/sh\nexit 101\n' | as_root tee $policy >/dev/null
    as_root chmod 755 $policy
    own=1
  fi
  log "installing $*"
  as_root "${apt[@]}" install --no-install-recommends "$@" >&2 || {
    as_root "${apt[@]}" update >&2
    as_root "${apt[@]}" install --no-install-recommends "$@" >&2
  } || rc=$?
  [ -z "$own" ] || as_root rm -f $policy
  return $rc
}

go_path() { echo "$CACHE/bin/$1-$2"; } # go_path NAME VERSION: where its binary is kept

# go_need NAME PACKAGE VERSION: build the package into the cache, once.
go_need() {
  local out tmp
  out=$(go_path "$1" "$3")
  [ ! -x "$out" ] || return 0
  log "building $2@$3; this is done once"
  mkdir -p "$CACHE/bin"
  tmp=$(mktemp -d "$CACHE/bin/.build.XXXXXX")
  (cd / && GOBIN=$tmp GOFLAGS=-buildvcs=false go install -ldflags='-s -w' "$2@$3" >&2) || { rm -rf "$tmp"; return 1; }
  mv "$tmp"/* "$out"
  rmdir "$tmp"
}

npm_path() { echo "$CACHE/npm/$1-$2"; } # npm_path PACKAGE VERSION: its folder, with node_modules

npm_have() { [ -e "$(npm_path "$1" "$2")/.done" ]; }

# npm_need PACKAGE VERSION: install the package into the cache, once.
npm_need() {
  local out
  out=$(npm_path "$1" "$2")
  ! npm_have "$1" "$2" || return 0
  log "installing the npm package $1@$2"
  mkdir -p "$out"
  npm install --prefix "$out" --no-audit --no-fund --no-update-notifier --omit=dev "$1@$2" >&2
  touch "$out/.done"
}

# --- running

tcp_open() { (exec 3<>"/dev/tcp/$HOST/$1") 2>/dev/null; }

pick_port() { # a free port below the ephemeral range
  local p
  for _ in $(seq 100); do
    p=$((20000 + RANDOM % 12000))
    if ! tcp_open $p; then echo $p; return; fi
  done
  die "no free port"
}

started_at() { # started_at PID: tells a process from a later one with the same id; nothing for one that has ended
  local rest fields
  rest=$(cat "/proc/$1/stat" 2>/dev/null) || return 0
  read -ra fields <<<"${rest##*) }"
  [ "${fields[0]}" = Z ] || echo "${fields[19]}"
}

alive() { # alive PIDFILE
  local pid at
  [ -s "$1" ] || return 1
  read -r pid at <"$1"
  [ -n "$at" ] && [ "$(started_at "$pid")" = "$at" ]
}

# spawn LABEL COMMAND...: run in the background, in a session of its own, with LABEL.log.
spawn() {
  local label=$1
  shift
  setsid "$@" >>"$STATE/$label.log" 2>&1 </dev/null &
  record "$label" $!
}

record() { # record LABEL PID: stop will end it
  mkdir -p "$STATE/run"
  echo "$2 $(started_at "$2")" >"$STATE/run/$(date +%s%N)-$1.pid"
}

each_pid_file() { find "$STATE/run" -name '*.pid' 2>/dev/null | sort -r; }

kill_all() {
  local f pid
  for f in $(each_pid_file); do
    if alive "$f"; then
      read -r pid _ <"$f"
      kill -TERM "$pid" 2>/dev/null || true
      for _ in $(seq 50); do alive "$f" || break; sleep 0.1; done
      if alive "$f"; then kill -KILL -- "-$pid" 2>/dev/null || kill -KILL "$pid" || true; fi
    fi
    rm -f "$f"
  done
}

# until_ok WHAT COMMAND...: repeat the command until it succeeds.
until_ok() {
  local what=$1 end=$((SECONDS + START_TIMEOUT)) f
  shift
  until "$@" >/dev/null 2>&1; do
    for f in $(each_pid_file); do
      alive "$f" || { tail -n 20 "$STATE"/*.log >&2; die "a process ended while waiting for $what"; }
    done
    [ $SECONDS -lt $end ] || { tail -n 20 "$STATE"/*.log >&2; die "$what does not answer"; }
    sleep 0.1
  done
}

# http_up URL: true as soon as any answer below 500 comes.
http_up() {
  local code
  code=$(curl -sk -o /dev/null -m 5 -w '%{http_code}' "$1")
  [ "$code" -ge 100 ] && [ "$code" -lt 500 ]
}

# tls_cert: once, an authority (STATE/tls/ca.pem) and its certificate for localhost and 127.0.0.1.
tls_cert() {
  local d=$STATE/tls
  [ ! -e "$d/public.crt" ] || return 0
  mkdir -p "$d"
  {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 \
      -subj '/CN=test servers' -keyout "$d/ca.key" -out "$d/ca.pem"
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
      -subj /CN=localhost -keyout "$d/private.key" -out "$d/csr"
    openssl x509 -req -in "$d/csr" -CA "$d/ca.pem" -CAkey "$d/ca.key" -CAcreateserial \
      -days 3650 -out "$d/public.crt" -extfile <(echo 'subjectAltName=DNS:localhost,DNS:*.localhost,IP:127.0.0.1')
  } 2>"$d/openssl.log" || { cat "$d/openssl.log" >&2; return 1; }
}

emit() { printf '%s\n' "$@" >>"$STATE/env"; } # emit KEY=VALUE...: what start prints

# watch: stop everything when the owner has ended.
watch() {
  local self
  self=$(cd "$(dirname "$0")" && pwd)/$(basename "$0")
  setsid bash -c 'while kill -0 "$1" 2>/dev/null; do sleep 1; done; "$2" stop "$3"' \
    watch "$OWNER_PID" "$self" "$(dirname "$STATE")" >/dev/null 2>&1 </dev/null &
}

# --- commands

cmd_start() {
  do_have || do_install >&2
  mkdir -p "$STATE/run"
  rm -f "$STATE"/run/*.pid "$STATE"/*.log "$STATE/env"
  trap kill_all ERR EXIT
  do_start
  trap - ERR EXIT
  [ -z "${OWNER_PID:-}" ] || watch
  cat "$STATE/env"
}

cmd_stop() { # a script may define before_stop and after_stop
  if declare -F before_stop >/dev/null; then before_stop; fi
  kill_all
  if declare -F after_stop >/dev/null; then after_stop; fi
}

main() {
  local cmd=${1:-} dir=${2:-}
  case $cmd in
    have) do_have; return ;;
    install) do_have || do_install >&2; return ;;
    start | stop) [ -n "$dir" ] || die "usage: $NAME.sh $cmd DIR" ;;
    *) die "usage: $NAME.sh have | install | start DIR | stop DIR" ;;
  esac
  mkdir -p "$dir"
  STATE=$(cd "$dir" && pwd)/$NAME
  if [ "$cmd" = start ]; then cmd_start; else cmd_stop; fi
}
