#!/usr/bin/env bash
# rclone: no server, but another client of every storage system, that tests and benchmarks compare with. start only says
# where it is.
. "$(dirname "$0")/lib.sh"

VERSION=v1.75.1

do_have() { [ -x "$(go_path rclone $VERSION)" ]; }

do_install() { go_need rclone github.com/rclone/rclone $VERSION; }

do_start() { emit "RCLONE=$(go_path rclone $VERSION)"; }

main "$@"
