#!/usr/bin/env bash
# HTTP PUT: Debian's nginx with its DAV module, without encryption and with it (an authority of its own).
#   /dav/       PUT and GET; parent folders are made; /dav/nowhere/ is 404
#   /bearer/    the same files, with Authorization: Bearer HTTP_BEARER
#   /small/     PUT, 413 above 64 KiB
#   /status/N   answers N (400 403 404 410 429 500 502 503), before the body is read; 429 and 503 with Retry-After
#   /moved/N/…  answers N (301 302 303 307 308) with the same path under /dav/
. "$(dirname "$0")/lib.sh"

TOKEN=test-bearer-token

do_have() { apt_have nginx openssl curl; }

do_install() { apt_need nginx openssl curl; }

locations() {
  local n
  for n in 400 403 404 410 500 502; do
    printf '    location = /status/%s { return %s "status %s"; }\n' $n $n $n
  done
  for n in 429 503; do
    printf '    location = /status/%s { add_header Retry-After 1 always; return %s "status %s"; }\n' $n $n $n
  done
  for n in 301 302 303 307 308; do
    printf '    location ~ ^/moved/%s/(.*)$ { return %s /dav/$1; }\n' $n $n
  done
}

write_conf() { # write_conf PORT TLS_PORT
  local dav="alias $STATE/files/; dav_methods PUT; create_full_put_path on; client_max_body_size 0; autoindex on;"
  cat >"$STATE/nginx.conf" <<EOF
worker_processes 1;
daemon off;
pid $STATE/nginx.pid;
error_log stderr warn;
$([ "$(id -u)" != 0 ] || echo "user root;")
events { worker_connections 512; }
http {
  access_log $STATE/access.log;
  client_body_temp_path $STATE/tmp/body;
  proxy_temp_path $STATE/tmp/proxy;
  fastcgi_temp_path $STATE/tmp/fastcgi;
  uwsgi_temp_path $STATE/tmp/uwsgi;
  scgi_temp_path $STATE/tmp/scgi;
  default_type application/octet-stream;
  server {
    listen $HOST:$1;
    listen $HOST:$2 ssl;
    ssl_certificate $STATE/tls/public.crt;
    ssl_certificate_key $STATE/tls/private.key;
    absolute_redirect off;
    location = / { return 200 "ok\n"; }
    location /dav/nowhere/ { return 404; }
    location /dav/ { $dav }
    location /bearer/ {
      if (\$http_authorization != "Bearer $TOKEN") { return 401; }
      $dav
    }
    location /small/ { alias $STATE/files/; dav_methods PUT; create_full_put_path on; client_max_body_size 64k; }
$(locations)
  }
}
EOF
}

do_start() {
  local port tls_port
  port=$(pick_port)
  tls_port=$(pick_port)
  mkdir -p "$STATE/files" "$STATE/tmp"
  tls_cert
  write_conf "$port" "$tls_port"
  spawn nginx "$(PATH=$PATH:/usr/sbin command -v nginx)" -p "$STATE" -c "$STATE/nginx.conf"
  until_ok nginx http_up "http://$HOST:$port/"
  emit "HTTP_URL=http://$HOST:$port" "HTTP_ADDRESS=$HOST:$port" "HTTPS_URL=https://localhost:$tls_port" \
    "HTTPS_CA_FILE=$STATE/tls/ca.pem" "HTTP_FILES_DIR=$STATE/files" "HTTP_TEMP_DIR=$STATE/tmp/body" "HTTP_BEARER=$TOKEN"
}

main "$@"
