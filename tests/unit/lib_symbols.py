# SPDX-License-Identifier: GPL-2.0-or-later
"""libhylics seen from outside: its symbols, its header in C and C++, its pkg-config file."""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

WANTED = {"hylics_send@@HYLICS_1", "hylics_sendfile@@HYLICS_1", "hylics_status@@HYLICS_1",
          "hylics_job_begin@@HYLICS_2", "hylics_job_end@@HYLICS_2",
          "hylics_datagrams@@HYLICS_3"}
PROGRAM = """#include <hylics.h>
int main(void)
{
	struct hylics_status s;
	hylics_job_end(hylics_job_begin("use", 0), 0);
	return hylics_datagrams(-1, 1, 1) == -1 && hylics_sendfile(-1, -1, NULL, 0) == -1 &&
	       hylics_send(-1, "", 0, 0) == -1 &&
	       hylics_status(-1, &s, sizeof(s)) == -1 ? 0 : 1;
}
"""


def _run(*command, **options):
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False,
                          **options)
    if done.returncode:
        print(f"# {' '.join(map(str, command))}: {done.stdout}{done.stderr}".replace("\n", "\n# "))
    return done


def symbols(library):
    """What the library shows to others."""
    out = _run("nm", "-D", "--defined-only", library).stdout
    return {line.split()[-1] for line in out.splitlines() if line.split()[1] != "A"}


def compiles(compiler, language, folder, include, flags):
    """A program that uses all of the header, with every warning."""
    source = folder / f"use.{language}"
    source.write_text(PROGRAM, encoding="ascii")
    return _run(compiler, "-Wall", "-Wextra", "-Werror", "-pedantic", f"-I{include}", source,
                *flags, "-o", folder / "use").returncode == 0


def linked(tree_build, prefix):
    """Flags as pkg-config gives them for the build folder."""
    environ = dict(os.environ, PKG_CONFIG_PATH=str(tree_build / "meson-uninstalled"))
    return _run("pkg-config", "--libs", f"{prefix}-uninstalled", env=environ).stdout.split()


def checks(build, include):
    """(sentence, verdict: True, False, or why it is skipped)"""
    library = next(path for path in (build / "libhylics").glob("libhylics.so.0.*.*")
                   if path.is_file())
    found = symbols(library)
    yield f"only the calls are shown, with a version: {' '.join(sorted(found))}", found == WANTED
    needed = _run("readelf", "-d", library).stdout
    yield "the name of its first version", "SONAME" in needed and "[libhylics.so.0]" in needed
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        flags = linked(build, "hylics") if shutil.which("pkg-config") else None
        missing = "no pkg-config" if flags is None else None
        sanitized = "__asan_" in _run("nm", "-D", library).stdout
        yield "a C program builds with pkg-config's flags", missing or \
            ("sanitized" if sanitized else compiles("cc", "c", folder, include, flags))
        for compiler in ("c++", "g++", "clang++"):
            if shutil.which(compiler):
                yield "the header is C++ as well", compiles(compiler, "cc", folder, include,
                                                            ["-fsyntax-only"])
                break
        else:
            yield "the header is C++ as well", "no C++ compiler"


def main(build, include):
    """TAP."""
    bad = 0
    number = 0
    for number, (sentence, verdict) in enumerate(checks(pathlib.Path(build), include), 1):
        if isinstance(verdict, str):
            print(f"ok {number} - {sentence} # SKIP {verdict}")
            continue
        bad += not verdict
        print(f"{'ok' if verdict else 'not ok'} {number} - {sentence}")
    print(f"1..{number}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
