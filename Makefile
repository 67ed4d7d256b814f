# SPDX-License-Identifier: GPL-2.0-or-later
# Calls meson and ninja, and the two commands of the README; nothing clever.
.PHONY: all check demo install clean
.DEFAULT_GOAL := all

build/build.ninja:
	@command -v meson >/dev/null || { echo "meson is missing: ./check installs what is needed, \
	packaging/deps.txt lists it" >&2; exit 1; }
	meson setup build

all: build/build.ninja
	ninja -C build

check:
	./check

demo:
	./demo

install: all
	meson install -C build --no-rebuild

clean:
	rm -rf build
