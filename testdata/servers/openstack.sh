#!/usr/bin/env bash
# OpenStack: Debian's Keystone (identity v3, SQLite), Swift and memcached, one node each. Swift also speaks the S3 protocol
# (s3api), for an account of its own (tempauth). Plain objects may have 6 MiB, so that small files need segments already.
# It has to run as root: the packages' programs expect it.
START_TIMEOUT=${START_TIMEOUT:-180}
. "$(dirname "$0")/lib.sh"

SEED=$(cd "$(dirname "$0")" && pwd)/openstack
PY=/usr/bin/python3
PACKAGES=(keystone uwsgi-core uwsgi-plugin-python3 swift-proxy swift-account swift-container swift-object memcached curl)
ADMIN_PASSWORD=admin-pass SERVICE_PASSWORD=service-pass USER_PASSWORD=pipeline-pass-0123456789
LARGEST=${SWIFT_LARGEST:-6291456}

do_have() { [ "$(id -u)" = 0 ] && apt_have "${PACKAGES[@]}" && [ -e "$(template_path)" ]; }

do_install() {
  [ "$(id -u)" = 0 ] || die "needs root to run"
  apt_need "${PACKAGES[@]}"
  make_template
}

keystone_conf() { # keystone_conf DIR: write DIR/keystone.conf
  cat >"$1/keystone.conf" <<END
[database]
connection = sqlite:///$1/keystone.db
[fernet_tokens]
key_repository = $1/fernet
[fernet_receipts]
key_repository = $1/fernet
[credential]
key_repository = $1/credential
[identity]
password_hash_rounds = 4
[oslo_messaging_notifications]
driver = noop
END
}

template_path() {
  echo "$CACHE/keystone-$(dpkg-query -W -f '${Version}' keystone 2>/dev/null | tr -c 'A-Za-z0-9.+\n-' _)"
}

# make_template: an empty database and its keys, made once and copied for every new data folder.
make_template() {
  local dir tmp
  dir=$(template_path)
  [ ! -e "$dir" ] || return 0
  log "preparing Keystone's database; this is done once"
  mkdir -p "$CACHE"
  tmp=$(mktemp -d "$CACHE/.keystone.XXXXXX")
  mkdir "$tmp/fernet" "$tmp/credential"
  keystone_conf "$tmp"
  local manage=(keystone-manage --config-file "$tmp/keystone.conf")
  {
    "${manage[@]}" db_sync
    "${manage[@]}" fernet_setup --keystone-user "$(id -un)" --keystone-group "$(id -gn)"
    "${manage[@]}" bootstrap --bootstrap-password "$ADMIN_PASSWORD" --bootstrap-region-id RegionOne \
      --bootstrap-public-url http://$HOST/v3
    # With SQLite's default journal one open read blocks every write.
    $PY -c 'import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute("PRAGMA journal_mode=WAL")' "$tmp/keystone.db"
  } >"$tmp/setup.log" 2>&1 || { tail "$tmp/setup.log" >&2; rm -rf "$tmp"; return 1; }
  [ -e "$dir" ] || mv -T "$tmp" "$dir"
  rm -rf "$tmp"
}

swift_conf() { # swift_conf PROXY ACCOUNT CONTAINER OBJECT MEMCACHED (ports)
  local kind port
  cat >"$STATE/swift.conf" <<END
[swift-hash]
swift_hash_path_prefix = test
swift_hash_path_suffix = test
[swift-constraints]
max_file_size = $LARGEST
END
  for kind in account:$2 container:$3 object:$4; do
    port=${kind#*:} kind=${kind%:*}
    cat >"$STATE/$kind-server.conf" <<END
[DEFAULT]
bind_ip = $HOST
bind_port = $port
swift_dir = $STATE
devices = $STATE/devices
mount_check = false
fallocate_reserve = 0
workers = 0
user = $(id -un)
[pipeline:main]
pipeline = $kind-server
[app:$kind-server]
use = egg:swift#$kind
END
  done
  cat >"$STATE/proxy-server.conf" <<END
[DEFAULT]
bind_ip = $HOST
bind_port = $1
swift_dir = $STATE
workers = 0
user = $(id -un)
[pipeline:main]
pipeline = catch_errors gatekeeper healthcheck cache bulk tempurl s3api authtoken keystoneauth tempauth copy container-quotas slo dlo proxy-server
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:gatekeeper]
use = egg:swift#gatekeeper
[filter:healthcheck]
use = egg:swift#healthcheck
[filter:cache]
use = egg:swift#memcache
memcache_servers = $HOST:$5
[filter:bulk]
use = egg:swift#bulk
[filter:tempurl]
use = egg:swift#tempurl
allowed_digests = sha1 sha256 sha512
[filter:s3api]
use = egg:swift#s3api
s3_acl = true
location = us-east-1
[filter:tempauth]
use = egg:swift#tempauth
reseller_prefix = TA
storage_url_scheme = http
user_test_pipeline = $USER_PASSWORD .admin
[filter:authtoken]
paste.filter_factory = keystonemiddleware.auth_token:filter_factory
www_authenticate_uri = $AUTH_URL
auth_url = $AUTH_URL
auth_type = password
interface = public
cache = swift.cache
username = swift
password = $SERVICE_PASSWORD
project_name = service
user_domain_id = default
project_domain_id = default
delay_auth_decision = true
service_token_roles_required = true
[filter:keystoneauth]
use = egg:swift#keystoneauth
reseller_prefix = AUTH, TWO
operator_roles = admin, swiftoperator
[filter:copy]
use = egg:swift#copy
[filter:container-quotas]
use = egg:swift#container_quotas
[filter:slo]
use = egg:swift#slo
[filter:dlo]
use = egg:swift#dlo
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
END
}

start_keystone() { # start_keystone PORT
  export OS_KEYSTONE_CONFIG_FILES=$STATE/keystone.conf
  cp -R "$(template_path)/." "$STATE"
  keystone_conf "$STATE"
  # uWSGI's plain HTTP socket ends every connection: say so, or clients reuse it.
  spawn keystone uwsgi --plugin python3 --http-socket "$HOST:$1" --add-header 'Connection: close' --master --processes 1 \
    --lazy-apps --die-on-term --need-app --buffer-size 65535 --disable-logging --wsgi-file /usr/bin/keystone-wsgi-public
}

do_start() {
  local kp sp ap cp op mp kind
  kp=$(pick_port) sp=$(pick_port) ap=$(pick_port) cp=$(pick_port) op=$(pick_port) mp=$(pick_port)
  AUTH_URL=http://$HOST:$kp/v3
  rm -rf "$STATE/devices"
  mkdir -p "$STATE/devices/disk"
  start_keystone "$kp"
  swift_conf "$sp" "$ap" "$cp" "$op" "$mp"
  spawn memcached memcached -l $HOST -p "$mp" -m 16 -u "$(id -un)"
  $PY "$SEED/swift_rings.py" "$STATE" $HOST "$ap" "$cp" "$op"
  for kind in account container object proxy; do
    spawn "swift-$kind" $PY "$SEED/swift_server.py" "/usr/bin/swift-$kind-server" "$STATE/$kind-server.conf"
  done
  until_ok keystone http_up "$AUTH_URL"
  ADMIN_PASSWORD=$ADMIN_PASSWORD SERVICE_PASSWORD=$SERVICE_PASSWORD USER_PASSWORD=$USER_PASSWORD \
    $PY "$SEED/keystone_seed.py" "$AUTH_URL" "http://$HOST:$sp" >"$STATE/seed.log" 2>&1 || { tail "$STATE/seed.log" >&2; return 1; }
  until_ok swift curl -sf "http://$HOST:$sp/healthcheck"
  for kind in $ap $cp $op $mp; do until_ok "port $kind" tcp_open "$kind"; done
  emit "KEYSTONE_URL=http://$HOST:$kp" KEYSTONE_USER=pipeline "KEYSTONE_PASSWORD=$USER_PASSWORD" KEYSTONE_PROJECT=files \
    KEYSTONE_REGION=RegionOne "SWIFT_ADDRESS=$HOST:$sp" "SWIFT_LARGEST=$LARGEST" SWIFT_CONTAINER=pipeline \
    "S3_ENDPOINT=http://$HOST:$sp" "S3_ADDRESS=$HOST:$sp" S3_REGION=us-east-1 S3_ACCESS_KEY_ID=test:pipeline \
    "S3_SECRET_ACCESS_KEY=$USER_PASSWORD"
}

main "$@"
