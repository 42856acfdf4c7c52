#!/usr/bin/env bash
# cgroup2.sh: runs the toolbox's tests of bounds where there are control groups of the second version alone, in a virtual
# machine without network or disk. Needs qemu-system-x86 and busybox-static, which it installs as root where they are missing,
# and a kernel of Debian's, which it unpacks into GANTRY_CACHE. Two minutes on a quiet machine.
set -euo pipefail
cd "$(dirname "$0")/.."
cache=${GANTRY_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/gantry-tools}/cgroup2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if ! command -v qemu-system-x86_64 >/dev/null || ! [ -e /bin/busybox ]; then
  apt-get install -y --no-install-recommends qemu-system-x86 busybox-static >&2
fi
mkdir -p "$cache"
if ! compgen -G "$cache/vmlinuz-*" >/dev/null; then
  package=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/.*Depends: //p' | head -n 1)
  (cd "$work" && apt-get download "$package" >&2 && dpkg-deb --fsys-tarfile ./*.deb | tar -x ./boot)
  mv "$work"/boot/vmlinuz-* "$cache/"
fi
kernel=$(compgen -G "$cache/vmlinuz-*")

# The machine's only file system: the tests, and the programs they run with their libraries.
root=$work/root
mkdir -p "$root"/{proc,sys,dev,tmp,etc,root,run,usr/{bin,sbin,lib,lib64}}
ln -s usr/bin usr/sbin usr/lib usr/lib64 "$root/"
CGO_ENABLED=0 go test -c -o "$root/toolbox.test" ./tasks/toolbox
cp -L /bin/busybox /usr/bin/{sh,bash,true,cat,cut,dd,sleep,head,tr,ls,rm,yes,setsid,pgrep,env,grep,mkfifo,ln,cp,python3,bwrap} "$root/usr/bin/"
cp -r /usr/lib/python3.* "$root/usr/lib/"
rm -rf "$root"/usr/lib/python3.*/{test,idlelib,ensurepip,config-*}
for program in "$root"/usr/bin/*; do ldd "$program" 2>/dev/null | grep -o '/[^ ]*' || true; done | sort -u |
  while read -r library; do
    mkdir -p "$root$(dirname "$library")"
    cp -L "$library" "$root$library"
  done
cat > "$root/init" <<'INIT'
#!/bin/busybox sh
b=/bin/busybox
export PATH=/usr/bin HOME=/root GANTRY_TESTS=all GANTRY_CGROUP=v2
if ! [ -e /root/second ]; then # bubblewrap cannot work on the file system that a kernel starts with
  $b mount -t tmpfs tmpfs /root
  $b cp -a /bin /sbin /lib /lib64 /usr /proc /sys /dev /tmp /etc /run /init /toolbox.test /root/
  $b mkdir /root/root
  : > /root/root/second
  exec $b switch_root /root /init
fi
$b mount -t proc proc /proc
$b mount -t sysfs sys /sys
$b mount -t devtmpfs dev /dev
$b mount -t tmpfs tmpfs /tmp
$b mount -t cgroup2 none /sys/fs/cgroup
$b ip link set lo up
$b mkdir /sys/fs/cgroup/delegated
echo '+memory +pids' > /sys/fs/cgroup/cgroup.subtree_control
cd /root
$b sh -c 'echo $$ > /sys/fs/cgroup/delegated/cgroup.procs; exec /toolbox.test -test.v \
  -test.run="TestSecondVersion|TestNoGroupIsLeft|TestBounds|TestPoolKeepsAWorker" -test.skip=/landlock'
echo "exit $?"
$b poweroff -f
INIT
chmod +x "$root/init"
(cd "$root" && find . | /bin/busybox cpio -o -H newc > "$work/initrd" 2>/dev/null)

# Emulated: a machine that is virtual itself may say that it can do more, and then stand still.
timeout 1200 qemu-system-x86_64 -accel tcg,thread=multi -cpu max -m 2000 -nodefaults -no-user-config -display none -serial stdio \
  -no-reboot -kernel "$kernel" -initrd "$work/initrd" -append 'console=ttyS0 panic=-1 quiet' < /dev/null | tr -d '\r' | tee "$work/said"
grep -qx 'exit 0' "$work/said"
