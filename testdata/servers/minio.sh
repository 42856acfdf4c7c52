#!/usr/bin/env bash
# S3: MinIO, one node on one disk, with encryption at rest (SSE-S3 and SSE-KMS) and temporary credentials (STS).
# MINIO_TLS=1 serves HTTPS with an authority of its own. MinIO sees only objects that were written through it.
. "$(dirname "$0")/lib.sh"

VERSION=v0.0.0-20260212201848-7aac2a2c5b7c
ACCESS=test-access-key SECRET=test-secret-key-0123456789 REGION=us-east-1 BUCKET=pipeline

do_have() { [ -x "$(go_path minio $VERSION)" ] && apt_have curl openssl; }

do_install() {
  apt_need curl openssl
  go_need minio github.com/minio/minio $VERSION
}

do_start() {
  local port scheme=http certs=$STATE/no-certs
  port=$(pick_port)
  mkdir -p "$STATE/data/$BUCKET" "$certs"
  export MINIO_ROOT_USER=$ACCESS MINIO_ROOT_PASSWORD=$SECRET MINIO_SITE_REGION=$REGION
  export MINIO_BROWSER=off MINIO_UPDATE=off MINIO_CALLHOME_ENABLE=off
  MINIO_KMS_SECRET_KEY=test-key:$(printf '%032d' 7 | base64 -w0)
  export MINIO_KMS_SECRET_KEY
  if [ -n "${MINIO_TLS:-}" ]; then
    tls_cert
    scheme=https certs=$STATE/tls
    emit "S3_CA_FILE=$STATE/tls/ca.pem"
  fi
  spawn minio "$(go_path minio $VERSION)" server --address "$HOST:$port" --certs-dir "$certs" "$STATE/data"
  until_ok minio curl -skf "$scheme://$HOST:$port/minio/health/ready"
  emit "S3_ENDPOINT=$scheme://$HOST:$port" "S3_ADDRESS=$HOST:$port" "S3_REGION=$REGION" "S3_BUCKET=$BUCKET" \
    "S3_ACCESS_KEY_ID=$ACCESS" "S3_SECRET_ACCESS_KEY=$SECRET" S3_KMS_KEY_ID=test-key \
    "S3_UNFINISHED=$STATE/data/.minio.sys/multipart"
}

main "$@"
