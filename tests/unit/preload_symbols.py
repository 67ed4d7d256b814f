# SPDX-License-Identifier: GPL-2.0-or-later
"""libhylics-preload.so seen from outside: what it shows, and what it wants of a C library."""

import pathlib
import re
import subprocess
import sys

# The C library of the Debian package musl; a program that uses it may be a child of one that is
# preloaded, and the environment is inherited.
MUSL = ("/lib/ld-musl-x86_64.so.1", "/lib/ld-musl-aarch64.so.1")
OWN = {"hylics_send", "hylics_sendfile", "hylics_status"}


def _symbols(library, which):
    """[(kind, name with version)]"""
    out = subprocess.run(["nm", "-D", which, library], capture_output=True, text=True, check=True,
                         timeout=60).stdout
    return [line.split()[-2:] for line in out.splitlines()]


def shown_by(library):
    """Names without the kind "A", which versions are."""
    return {name for kind, name in _symbols(library, "--defined-only") if kind != "A"}


def listed_in(path):
    """What preload.map names as global."""
    text = re.sub(r"/\*.*?\*/", "", path.read_text(encoding="ascii"), flags=re.DOTALL)
    return set(re.findall(r"^\t(\w+);", text, re.MULTILINE))


def wanted_by(library):
    """Names, without versions, that must be there for the library to load."""
    return {name.partition("@")[0] for kind, name in _symbols(library, "--undefined-only")
            if kind == "U"}


def checks(library, map_file):
    """(sentence, verdict: True, False, or why it is skipped)"""
    shown = shown_by(library)
    yield f"the names of preload.map are shown, no others: {' '.join(sorted(shown))}", \
        shown == listed_in(map_file) and shown > OWN
    yield "none has a version, so that every program's takes it", \
        not any("@" in name for name in shown)
    wanted = wanted_by(library)
    for path in MUSL:
        if pathlib.Path(path).exists():
            there = {name.partition("@")[0] for name in shown_by(path)}
            lacks = wanted - there
            yield f"musl has what it wants{': not ' if lacks else ''}{' '.join(sorted(lacks))}", \
                not lacks
            break
    else:
        yield "musl has what it wants", "no musl"


def main(library, map_file):
    """TAP."""
    library = pathlib.Path(library)
    if b"__asan_init" in library.read_bytes():
        print("1..0 # SKIP sanitized")
        return 0
    bad = 0
    number = 0
    for number, (sentence, verdict) in enumerate(checks(library, pathlib.Path(map_file)), 1):
        bad += verdict is False
        skip = f" # SKIP {verdict}" if isinstance(verdict, str) else ""
        print(f"{'not ok' if verdict is False else 'ok'} {number} - {sentence}{skip}")
    print(f"1..{number}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
