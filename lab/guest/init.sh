#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# First process of a lab VM: host's root read-only under a tmpfs overlay, network, shares, jobs.
# shellcheck shell=dash # busybox's shell has "local" too
#
# Runs twice: as /init of the initramfs, then, after switch_root, with the argument "jobs".
# What it is to do comes on the kernel command line, values escaped for printf %b:
#   hy.name=HOST              host name
#   hy.load=GROUP,...         module groups to load besides "base"
#   hy.modules=DIR            the host's directory of this kernel's modules
#   hy.nic=IF,ADDR/LEN,GATEWAY  repeated, IPv4 and IPv6, gateway may be empty
#   hy.share=TAG:TYPE:DIR:OPTIONS  repeated
# With a command of `hylics vm run -- CMD` it runs that instead of jobs, and powers off.
# It reports on the console: "hylab: mark WHAT SECONDS-SINCE-KERNEL-START", "hylab: failed WHAT";
# and takes orders there: "run JOB", "off". Job N is the script /run/hylab/N/command; its stdout,
# stderr and exit code become files beside it.

EXCHANGE=/run/hylab
ORDER=/sys/firmware/qemu_fw_cfg/by_name/opt/io.hylics/run/raw
RESULT=/dev/virtio-ports/io.hylics.run.0
BUSYBOX=/run/busybox

mark()
{
	read -r up rest < /proc/uptime
	echo "hylab: mark $1 $up"
}

try()
{
	"$@" || echo "hylab: failed $*"
}

# Sets $plain; no process is started, which is what costs time under emulation.
unescape()
{
	case $1 in
	*\\*) plain=$(printf '%b' "$1") ;;
	*) plain=$1 ;;
	esac
}

mount_kernel_file_systems()
{
	mount -t proc proc /proc
	mount -t sysfs sysfs /sys
	mount -t devtmpfs dev /dev
}

load_modules()
{
	while read -r group module; do
		case ",base,$load," in
		*,$group,*) [ -d "/sys/module/$module" ] || try insmod "/lib/$module.ko" ;;
		esac
	done < /modules
}

mount_root()
{
	try mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000,cache=loose,ro root /ro
	mount -t tmpfs -o mode=755 tmpfs /rw
	mkdir /rw/upper /rw/work
	try mount -t overlay -o lowerdir=/ro,upperdir=/rw/upper,workdir=/rw/work overlay /new
	mount -t tmpfs -o mode=755 tmpfs /new/run
	mkdir -p /new/run/lock "/new$EXCHANGE"
	mkdir -p /dev/pts /dev/shm
	mount -t devpts -o mode=620,ptmxmode=666 devpts /dev/pts
	mount -t tmpfs -o mode=1777 tmpfs /dev/shm
}

# modprobe looks in /lib/modules/VERSION; the host's root has it elsewhere.
link_modules()
{
	read -r version < /proc/sys/kernel/osrelease
	[ -e "/new/lib/modules/$version/modules.dep" ] && return
	mkdir -p /new/lib/modules
	ln -sfn "$modules" "/new/lib/modules/$version"
}

mount_share()
{
	local IFS=:
	# shellcheck disable=SC2086 # split on purpose; no wildcard survives the escaping
	set -- $1
	IFS=' '
	unescape "$3"
	mkdir -p "/new$plain"
	try mount -t "$2" -o "$4" "$1" "/new$plain"
}

add_address()
{
	local IFS=,
	# shellcheck disable=SC2086 # split on purpose; no wildcard survives the escaping
	set -- $1
	IFS=' '
	local family=-4
	case $2 in *:*) family=-6 ;; esac
	case $nics_up in
	*" $1 "*) ;;
	*)
		# no waiting for duplicate address detection
		echo 0 > "/proc/sys/net/ipv6/conf/$1/accept_dad"
		try ip link set "$1" up
		nics_up="$nics_up $1 "
		;;
	esac
	[ -n "$2" ] || return 0
	try ip "$family" addr add "$2" dev "$1"
	[ -z "$3" ] || try ip "$family" route add default via "$3" dev "$1"
}

# The names udev would make, so that programs find a port by its name.
name_serial_ports()
{
	for port in /sys/class/virtio-ports/*/name; do
		[ -e "$port" ] || return
		read -r name < "$port" || continue
		device=${port%/name}
		mkdir -p /dev/virtio-ports
		ln -sf "../${device##*/}" "/dev/virtio-ports/$name"
	done
}

read_command_line()
{
	nics='' nics_up='' shares='' load='' modules=''
	read -r line < /proc/cmdline
	for word in $line; do
		value=${word#*=}
		case $word in
		hy.name=*) unescape "$value"; echo "$plain" > /proc/sys/kernel/hostname ;;
		hy.load=*) load=$value ;;
		hy.modules=*) unescape "$value"; modules=$plain ;;
		hy.nic=*) nics="$nics $value" ;;
		hy.share=*) shares="$shares $value" ;;
		esac
	done
}

boot()
{
	export PATH=/bin
	mount_kernel_file_systems
	mark init
	read_command_line
	load_modules
	mark modules
	mount_root
	link_modules
	for share in $shares; do mount_share "$share"; done
	mark root
	ip link set lo up
	for nic in $nics; do add_address "$nic"; done
	name_serial_ports
	mark network
	cp /bin/busybox "/new$BUSYBOX"
	cp /init /new/run/hylab-init
	for place in proc sys dev; do mount -o move "/$place" "/new/$place"; done
	exec switch_root -c /dev/console /new "$BUSYBOX" sh /run/hylab-init jobs
}

job()
{
	/bin/sh "$EXCHANGE/$1/command" < /dev/null > "$EXCHANGE/$1/stdout" 2> "$EXCHANGE/$1/stderr"
	code=$?
	echo "$code" > "$EXCHANGE/$1/exit"
	mark "exit-$1"
}

# The command is a shell script; its output goes to the console.
run_order()
{
	cd /
	export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
	/bin/sh "$ORDER"
	code=$?
	"$BUSYBOX" stty -echo	# returns when the console has taken all output
	echo "$code" > "$RESULT"
	power_off
}

power_off()
{
	"$BUSYBOX" sync
	echo o > /proc/sysrq-trigger
}

jobs_loop()
{
	cd /
	# an order's echo must not land in the middle of a report
	"$BUSYBOX" stty -echo
	: > "$EXCHANGE/ready"
	mark ready
	while read -r verb id; do
		case $verb in
		run) mark "job-$id"; job "$id" & ;;
		off) power_off ;;
		esac
	done
	echo "hylab: failed console closed"
}

case $1 in
jobs) if [ -e "$ORDER" ]; then run_order; else jobs_loop; fi ;;
*) boot ;;
esac
