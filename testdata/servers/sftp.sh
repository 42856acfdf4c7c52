#!/usr/bin/env bash
# SFTP: Debian's OpenSSH server, for SFTP only. It has to run as root, for its users and their chroot.
#
# The server runs in a mount namespace of its own, where /etc/passwd and /etc/shadow have the test users and /srv is the
# chroot: the machine's own files stay as they are.
#   pipeline  chroot; /upload is writable; password or any of the keys
#   plain     no chroot; starts in SFTP_HOMES_DIR/plain
#   old       as plain, at a server without posix-rename and setstat
#   drop      as plain, may create, write and make folders, and nothing else
#   reader    chroot, read-only
#   full      as plain, with a disk of 2 MiB
. "$(dirname "$0")/lib.sh"

PASSWORD='s3cret pass' PASSPHRASE='key passphrase'
FIRST_UID=64200

do_have() { [ "$(id -u)" = 0 ] && apt_have openssh-server openssh-client openssl; }

do_install() {
  [ "$(id -u)" = 0 ] || die "needs root to run"
  apt_need openssh-server openssh-client openssl
}

make_key() { # make_key FILE ARGS...
  local f=$STATE/keys/$1
  shift
  [ -e "$f" ] || ssh-keygen -q -C test -f "$f" "$@"
}

# make_keys takes the keys of an earlier start, since making them takes a busy machine half a minute.
make_keys() {
  local kept=$CACHE/sftp-keys
  [ ! -d "$kept" ] || cp -a "$kept" "$STATE/keys"
  mkdir -p "$STATE/keys"
  make_key host_ed25519 -t ed25519 -N ''
  make_key host_rsa -t rsa -b 2048 -N ''
  make_key host_ecdsa -t ecdsa -N ''
  make_key other_host -t ed25519 -N ''
  make_key ed25519 -t ed25519 -N ''
  make_key rsa -t rsa -b 2048 -N ''
  make_key rsa_pem -t rsa -b 2048 -m PEM -N ''
  make_key ecdsa_pkcs8 -t ecdsa -m PKCS8 -N ''
  make_key ed25519_encrypted -t ed25519 -N "$PASSPHRASE"
  make_key rsa_pem_encrypted -t rsa -b 2048 -m PEM -N "$PASSPHRASE"
  make_key rsa_pkcs8_encrypted -t rsa -b 2048 -m PKCS8 -N "$PASSPHRASE"
  make_key unauthorized -t ed25519 -N ''
  cat "$STATE"/keys/{ed25519,rsa,rsa_pem,ecdsa_pkcs8,ed25519_encrypted,rsa_pem_encrypted,rsa_pkcs8_encrypted}.pub \
    >"$STATE/authorized_keys"
  [ -d "$kept" ] || {
    mkdir -p "$CACHE"
    cp -a "$STATE/keys" "$kept.$$" && mv -T "$kept.$$" "$kept" 2>/dev/null || rm -rf "$kept.$$"
  }
}

make_users() { # copies of the machine's files with the test users added
  local hash uid=$FIRST_UID user
  hash=$(openssl passwd -6 "$PASSWORD")
  cp /etc/passwd "$STATE/passwd"
  cp /etc/shadow "$STATE/shadow"
  for user in pipeline plain old drop reader full; do
    echo "$user:x:$uid:$FIRST_UID::$STATE/homes/$user:/usr/sbin/nologin" >>"$STATE/passwd"
    echo "$user:$hash:19000:0:99999:7:::" >>"$STATE/shadow"
    mkdir -p "$STATE/homes/$user"
    chown $uid:$FIRST_UID "$STATE/homes/$user"
    uid=$((uid + 1))
  done
  chmod 600 "$STATE/shadow"
  mkdir -p "$STATE/chroot/upload"
  chown $FIRST_UID:$FIRST_UID "$STATE/chroot/upload"
}

write_conf() { # write_conf PORT
  cat >"$STATE/sshd_config" <<EOF
ListenAddress $HOST:$1
HostKey $STATE/keys/host_ed25519
HostKey $STATE/keys/host_rsa
HostKey $STATE/keys/host_ecdsa
PidFile none
UsePAM no
PasswordAuthentication yes
KbdInteractiveAuthentication no
PubkeyAuthentication yes
AuthorizedKeysFile $STATE/authorized_keys
StrictModes no
AllowUsers pipeline plain old drop reader full
PermitTunnel no
AllowTcpForwarding no
X11Forwarding no
MaxStartups 100
LogLevel VERBOSE
Subsystem sftp internal-sftp
ForceCommand internal-sftp
Match User pipeline
  ChrootDirectory /srv
Match User old
  ForceCommand internal-sftp -P posix-rename,setstat,fsetstat
Match User drop
  ForceCommand internal-sftp -P posix-rename,rename,hardlink,symlink,remove,setstat,fsetstat,stat,lstat,fstat,opendir,realpath
Match User reader
  ChrootDirectory /srv
  ForceCommand internal-sftp -R
EOF
}

do_start() {
  [ "$(id -u)" = 0 ] || die "needs root to run"
  local port k
  port=$(pick_port)
  chmod 755 "$(dirname "$STATE")"
  make_keys
  make_users
  write_conf "$port"
  mkdir -p /run/sshd
  # shellcheck disable=SC2016 # expanded by the inner shell
  spawn sshd unshare --mount --propagation private bash -ec '
    mount --bind "$1/passwd" /etc/passwd
    mount --bind "$1/shadow" /etc/shadow
    mount --bind "$1/chroot" /srv
    mount -t tmpfs -o size=2m,mode=777 tmpfs "$1/homes/full"
    exec /usr/sbin/sshd -D -e -f "$1/sshd_config"' sshd "$STATE"
  until_ok sshd tcp_open "$port"
  emit "SFTP_HOST=$HOST" "SFTP_PORT=$port" "SFTP_ADDRESS=$HOST:$port" SFTP_USER=pipeline "SFTP_PASSWORD=$PASSWORD" \
    "SFTP_KEY_PASSPHRASE=$PASSPHRASE" \
    "SFTP_KEYS_DIR=$STATE/keys" "SFTP_ROOT_DIR=$STATE/chroot" "SFTP_HOMES_DIR=$STATE/homes" \
    "SFTP_HOST_KEY=$(cut -d' ' -f1,2 "$STATE/keys/host_rsa.pub")"
  for k in ed25519 rsa ecdsa; do
    emit "SFTP_HOST_KEY_SHA256_${k^^}=$(ssh-keygen -lf "$STATE/keys/host_$k.pub" | cut -d' ' -f2)"
  done
}

main "$@"
