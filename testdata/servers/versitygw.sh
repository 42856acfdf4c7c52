#!/usr/bin/env bash
# S3: Versity's gateway over a folder, whose file system has to keep extended attributes. It takes minutes to build, so the tests
# against it run where GANTRY_VERSITY is set, and nowhere else.
. "$(dirname "$0")/lib.sh"

VERSION=v1.8.0
ACCESS=test-access-key SECRET=test-secret-key-0123456789 REGION=us-east-1 BUCKET=pipeline

do_have() { [ -x "$(go_path versitygw $VERSION)" ] && apt_have curl; }

do_install() {
  apt_need curl
  go_need versitygw github.com/versity/versitygw/cmd/versitygw $VERSION
}

do_start() {
  local port
  port=$(pick_port)
  mkdir -p "$STATE/data/$BUCKET" "$STATE/iam"
  spawn versitygw "$(go_path versitygw $VERSION)" --access $ACCESS --secret $SECRET --region $REGION \
    --port "$HOST:$port" --health /health --iam-dir "$STATE/iam" posix "$STATE/data"
  until_ok versitygw curl -sf "http://$HOST:$port/health"
  emit "S3_ENDPOINT=http://$HOST:$port" "S3_ADDRESS=$HOST:$port" "S3_REGION=$REGION" "S3_BUCKET=$BUCKET" \
    "S3_ACCESS_KEY_ID=$ACCESS" "S3_SECRET_ACCESS_KEY=$SECRET"
}

main "$@"
