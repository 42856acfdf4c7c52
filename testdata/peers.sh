#!/usr/bin/env bash
# peers.sh: installs what exports are measured against beside rclone, which a script of its own builds.
. "$(dirname "$0")/servers/lib.sh"

apt_need curl openssh-client python3-swiftclient
