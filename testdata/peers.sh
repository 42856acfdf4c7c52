#!/usr/bin/env bash
# peers.sh: installs what exports are measured against, and prints the path of rclone, which is built from its module into
# GANTRY_CACHE once.
. "$(dirname "$0")/servers/lib.sh"

VERSION=v1.75.1

apt_need curl openssh-client python3-swiftclient >&2
go_need rclone github.com/rclone/rclone $VERSION
go_path rclone $VERSION
