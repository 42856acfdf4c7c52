#!/usr/bin/env bash
# rclone.sh: prints the path of rclone, the peer of exports, which is built from its module into GANTRY_CACHE once.
. "$(dirname "$0")/servers/lib.sh"

VERSION=v1.75.1

go_need rclone github.com/rclone/rclone $VERSION
go_path rclone $VERSION
