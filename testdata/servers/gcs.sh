#!/usr/bin/env bash
# Google Cloud Storage: fake-gcs-server keeps the objects. It asks nobody for a token, and knows uploads in one go only, so a
# front of our own (gcsfront) stands before it, with the exchange of tokens, three service accounts and sessions.
. "$(dirname "$0")/lib.sh"

VERSION=v1.56.1 BUCKET=pipeline PROJECT=pipeline-project
SOURCE=$(cd "$(dirname "$0")" && pwd)/gcsfront
FRONT=$CACHE/bin/gcsfront-$(cat "$SOURCE"/*.go | sha256sum | head -c 16)

do_have() { [ -x "$(go_path fake-gcs-server $VERSION)" ] && [ -x "$FRONT" ] && apt_have curl openssl; }

do_install() {
  apt_need curl openssl
  go_need fake-gcs-server github.com/fsouza/fake-gcs-server $VERSION
  [ -x "$FRONT" ] || { (cd "$SOURCE" && go build -buildvcs=false -o "$FRONT.$$" .) && mv "$FRONT.$$" "$FRONT"; }
}

do_start() {
  local port back
  port=$(pick_port)
  back=$(pick_port)
  [ "$port" != "$back" ] || die "no two free ports"
  mkdir -p "$STATE/data/$BUCKET" "$STATE/data/mybucket" "$STATE/sessions" # the other one is that of the documentation
  [ -e "$STATE/key.pem" ] || openssl genpkey -quiet -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out "$STATE/key.pem"
  spawn fake-gcs-server "$(go_path fake-gcs-server $VERSION)" -scheme http -host $HOST -port "$back" -backend filesystem \
    -filesystem-root "$STATE/data" -public-host "$HOST:$back" -external-url "http://$HOST:$back"
  spawn gcsfront "$FRONT" "$HOST:$port" "http://$HOST:$back" "$PROJECT" "$STATE/key.pem" "$STATE/sessions"
  until_ok fake-gcs-server http_up "http://$HOST:$back/storage/v1/b"
  until_ok gcsfront http_up "http://$HOST:$port/sessions"
  emit "GCS_ADDRESS=$HOST:$port" "GCS_OPEN_ADDRESS=$HOST:$back" "GCS_PROJECT=$PROJECT" "GCS_BUCKET=$BUCKET" \
    "GCS_ACCOUNTS=$PROJECT.iam.gserviceaccount.com" "GCS_PRIVATE_KEY_FILE=$STATE/key.pem"
}

main "$@"
