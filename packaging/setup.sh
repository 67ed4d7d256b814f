# SPDX-License-Identifier: GPL-2.0-or-later
# setup.sh - installs what is missing and builds; sourced by ./demo and ./check
# shellcheck shell=sh
#
# Expects: the current directory is the root of the tree.

say()
{
	printf '%s\n' "$*" >&2
}

die()
{
	say "$0: $*"
	exit 1
}

# One name per line, comments and reasons taken off.
needed_packages()
{
	sed -e 's/#.*//' -e 's/[[:space:]]*$//' -e '/^$/d' packaging/deps.txt
}

missing_packages()
{
	for package in $(needed_packages); do
		# shellcheck disable=SC2016 # dpkg's own format, not the shell's
		case $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) in
		installed) ;;
		*) printf '%s ' "$package" ;;
		esac
	done
}

as_root()
{
	if [ "$(id -u)" = 0 ]; then
		"$@"
	elif command -v sudo >/dev/null 2>&1; then
		sudo "$@"
	else
		die "installing packages needs root: run it as root, or install sudo"
	fi
}

is_debian_12()
{
	# shellcheck source=/dev/null # every distribution has one
	[ -r /etc/os-release ] && [ "$(. /etc/os-release && echo "$ID $VERSION_ID")" = "debian 12" ]
}

refuse_distribution()
{
	say "$0 installs packages of Debian 12, and this is another system. Nothing was done."
	say "Install the equivalents of these, then run HYLICS_DEPS=present $0:"
	needed_packages | tr '\n' ' ' | fold -s -w 90 | sed 's/^/  /' >&2
	say ""
	exit 1
}

# Not while another package manager run holds the lock: waits up to five minutes for it.
apt()
{
	as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 \
		-o Dpkg::Use-Pty=0 "$@" >>build/packages.log 2>&1
}

install_packages()
{
	[ "${HYLICS_DEPS:-}" = present ] && return
	is_debian_12 || refuse_distribution
	missing=$(missing_packages)
	[ -z "$missing" ] && return
	say "Installing: $missing"
	say "(details in build/packages.log)"
	apt update || die "apt-get update failed; see build/packages.log"
	# shellcheck disable=SC2086 # a list of words
	apt install --no-install-recommends $missing ||
		die "apt-get install failed; see build/packages.log"
}

# configure DIR OPTION...: once; later calls are told by ninja itself if something changed
configure()
{
	dir=$1
	log=build/$(basename "$dir").setup.log
	shift
	[ -f "$dir/build.ninja" ] && return
	say "Configuring $dir"
	meson setup "$dir" "$@" >"$log" 2>&1 ||
		{ tail -n 20 "$log" >&2; die "meson setup $dir failed, see $log"; }
}

compile()
{
	dir=$1
	log=build/$(basename "$dir").compile.log
	if [ -t 2 ]; then
		ninja -C "$dir" >&2 || die "building $dir failed"
		return
	fi
	say "Building $dir"
	ninja -C "$dir" >"$log" 2>&1 ||
		{ grep -v '^\[' "$log" >&2; die "building $dir failed, see $log"; }
}

set_up()
{
	mkdir -p build
	install_packages
	configure build ${CI:+-Dwerror=true}
	compile build
}
