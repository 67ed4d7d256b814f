#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# bare.sh - runs a command of the README in a Debian 12 that has nothing but its minimal base
#
# usage: tests/bare.sh DIR [COMMAND...]
# DIR gets the base (debootstrap, about 350 MB, made once) and a fresh clone of HEAD. Needs root and
# the package debootstrap. Not part of ./check: it installs some 400 packages into DIR.
set -eu

root=${1:?usage: tests/bare.sh DIR [COMMAND...]}
shift
[ $# -gt 0 ] || set -- ./check
tree=$(cd "$(dirname "$0")/.." && pwd)

if [ ! -x "$root/usr/bin/git" ]; then
	debootstrap --variant=minbase --include=ca-certificates,git bookworm "$root"
fi
rm -rf "$root/hylics"
git clone -q --no-hardlinks "$tree" "$root/hylics"
cp /etc/resolv.conf "$root/etc/"
mkdir -p "$root/old"

# Mounts and processes of the run end with it. Not chroot: in one, user namespaces are refused.
export ROOT="$root"
# shellcheck disable=SC2016 # expanded by the inner shell
exec unshare --mount --pid --fork --kill-child sh -ec '
	mount --bind "$ROOT" "$ROOT"
	mount -t proc proc "$ROOT/proc"
	mount --rbind /sys "$ROOT/sys"
	mount --rbind /dev "$ROOT/dev"
	mount -t tmpfs tmpfs "$ROOT/run"
	cd "$ROOT"
	pivot_root . old
	umount -l /old
	cd /hylics
	exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 ${CI:+CI=$CI} "$@"
' sh "$@"
