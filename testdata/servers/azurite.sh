#!/usr/bin/env bash
# Azure Blob: Azurite, Microsoft's own emulator. It checks MD5 and CRC64 of what is sent, and the times of a SAS.
. "$(dirname "$0")/lib.sh"

VERSION=3.37.0
ACCOUNT=pipelineaccount CONTAINER=pipeline
KEY=$(printf '%s' 'test-only azurite account key: it protects nothing at all, ever.' | base64 -w0)

do_have() { npm_have azurite $VERSION && command -v curl >/dev/null && command -v node >/dev/null; }

do_install() {
  apt_need curl
  command -v npm >/dev/null || apt_need nodejs npm
  npm_need azurite $VERSION
}

do_start() {
  local port
  port=$(pick_port)
  mkdir -p "$STATE/data"
  # The libraries are often newer than the emulator, which would refuse their version of the API.
  AZURITE_ACCOUNTS="$ACCOUNT:$KEY" spawn azurite \
    node "$(npm_path azurite $VERSION)/node_modules/azurite/dist/src/blob/main.js" --blobHost $HOST --blobPort "$port" \
    --location "$STATE/data" --silent --disableTelemetry --skipApiVersionCheck
  until_ok azurite http_up "http://$HOST:$port/"
  emit "AZURE_ADDRESS=$HOST:$port" "AZURE_ACCOUNT=$ACCOUNT" "AZURE_KEY=$KEY" "AZURE_CONTAINER=$CONTAINER"
}

main "$@"
