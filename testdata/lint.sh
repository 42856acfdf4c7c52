#!/usr/bin/env bash
# lint.sh fast|all: gofmt, go vet and staticcheck; with all also golangci-lint. The binaries are built once and kept in
# GANTRY_CACHE, by version.
set -euo pipefail
cd "$(dirname "$0")/.."
cache=${GANTRY_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/gantry-tools}

tool() { # tool NAME PACKAGE VERSION: prints the path of the binary
  local out=$cache/bin/$1-$3
  if [ ! -x "$out" ]; then
    echo "building $1 $3" >&2
    mkdir -p "$cache/bin"
    local tmp
    tmp=$(mktemp -d "$cache/bin/.build.XXXXXX")
    GOFLAGS= GOBIN=$tmp go install "$2@$3" >&2
    mv "$tmp/$1" "$out"
    rmdir "$tmp"
  fi
  echo "$out"
}

unformatted=$(gofmt -l $(git ls-files '*.go'))
[ -z "$unformatted" ] || { echo "not formatted: $unformatted"; exit 1; }
go vet ./...
"$(tool staticcheck honnef.co/go/tools/cmd/staticcheck v0.7.0)" ./...
[ "$1" = fast ] || "$(tool golangci-lint github.com/golangci/golangci-lint/v2/cmd/golangci-lint v2.5.0)" run
echo "lint: clean"
