#!/usr/bin/env bash
# A faulty network: Toxiproxy. Proxies and their toxics are made over its HTTP API.
. "$(dirname "$0")/lib.sh"

VERSION=v2.5.0

do_have() { [ -x "$(go_path toxiproxy $VERSION)" ] && apt_have curl; }

do_install() {
  apt_need curl
  go_need toxiproxy github.com/Shopify/toxiproxy/v2/cmd/server $VERSION
}

do_start() {
  local port
  port=$(pick_port)
  spawn toxiproxy "$(go_path toxiproxy $VERSION)" -host $HOST -port "$port"
  until_ok toxiproxy http_up "http://$HOST:$port/version"
  emit "TOXIPROXY_URL=http://$HOST:$port"
}

main "$@"
