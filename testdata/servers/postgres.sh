#!/usr/bin/env bash
# PostgreSQL: a cluster of its own, from the distribution's packages, run by a plain user. Durability is off: a process of
# the server may be killed, its machine not. POSTGRES_FSYNC=on turns it on.
#
#   postgres.sh down DIR   takes a started server away as a crash would; up brings it back in its place
. "$(dirname "$0")/lib.sh"

bin_dir() { compgen -G '/usr/lib/postgresql/*/bin' | sort -V | tail -n 1; }

do_have() { [ -n "$(bin_dir)" ] && [ -x "$(bin_dir)/postgres" ]; }

do_install() {
  # The package would make a cluster on the default port and start it.
  local conf=/etc/postgresql-common/createcluster.conf
  if [ ! -e $conf ]; then
    as_root mkdir -p "$(dirname $conf)"
    echo 'create_main_cluster = false' | as_root tee $conf >/dev/null
  fi
  apt_need postgresql
}

as_pg() { # PostgreSQL refuses to run as root
  if [ "$(id -u)" = 0 ]; then (cd / && runuser -u postgres -- "$@"); else "$@"; fi
}

do_start() {
  local bin port data
  bin=$(bin_dir)
  port=$(pick_port)
  data=$STATE/data
  if [ ! -e "$data/PG_VERSION" ]; then
    mkdir -p "$data"
    if [ "$(id -u)" = 0 ]; then # the way to it may be closed to others, as that to a test's folder is
      data=$(as_pg mktemp -d /tmp/gantry-postgres-XXXXXX)
      rmdir "$STATE/data"
      ln -s "$data" "$STATE/data"
    fi
    chmod 700 "$data"
    echo postgres >"$STATE/password"
    as_pg "$bin/initdb" -D "$data" -U postgres -A scram-sha-256 --no-sync -E UTF8 --locale=C.UTF-8 \
      --pwfile=/dev/stdin <"$STATE/password" >"$STATE/initdb.log" 2>&1 || { cat "$STATE/initdb.log" >&2; return 1; }
  fi
  data=$(readlink -f "$data")
  echo "-p $port -c listen_addresses=$HOST -c unix_socket_directories= -c max_connections=300 -c fsync=${POSTGRES_FSYNC:-off} -c full_page_writes=${POSTGRES_FSYNC:-off}" \
    >"$STATE/options"
  up
  emit "POSTGRES_URL=postgres://postgres:postgres@$HOST:$port/postgres?sslmode=disable"
}

ctl() { # ctl ARGUMENT...: pg_ctl on the data
  local data
  data=$(readlink -f "$STATE/data")
  as_pg "$(bin_dir)/pg_ctl" -D "$data" -w -t "$START_TIMEOUT" -l "$data/server.log" -s "$@" >&2
}

up() {
  ctl start -o "$(cat "$STATE/options")"
  record postgres "$(as_pg head -n 1 "$(readlink -f "$STATE/data")/postmaster.pid")"
}

before_stop() { [ ! -e "$STATE/data" ] || ctl -m fast stop || true; }

after_stop() {
  [ ! -L "$STATE/data" ] || rm -rf "$(readlink -f "$STATE/data")"
}

case ${1:-} in
  down) STATE=$(cd "$2" && pwd)/$NAME; ctl -m immediate stop ;;
  up) STATE=$(cd "$2" && pwd)/$NAME; up ;;
  *) main "$@" ;;
esac
