# SPDX-License-Identifier: GPL-2.0-or-later
"""cppcheck over every C file of the build; it remembers unchanged files in BUILD/static-cache."""

import re
import subprocess
import sys

import verdict
from verdict import Complaint

PROCESSES = "2"
LIMIT_S = 1500
SUPPRESSIONS = "tests/static/cppcheck-suppressions.txt"
FINDING = re.compile(r"^hylics\t(?P<path>[^\t]*)\t(?P<line>\d+)\t(?P<text>.+)$", re.MULTILINE)


def cppcheck(tree, build):
    """One run; complaints."""
    cache = build / "static-cache" / "cppcheck"
    cache.mkdir(parents=True, exist_ok=True)
    command = ["cppcheck", "--quiet", "-j", PROCESSES, f"--project={build}/compile_commands.json",
               f"--cppcheck-build-dir={cache}", "--enable=warning,style,performance,portability",
               "--inconclusive", "--std=c11", "--library=posix",
               f"--relative-paths={tree.root}", f"--suppressions-list={tree.root / SUPPRESSIONS}",
               "--template=hylics\\t{file}\\t{line}\\t{id}: {message}", "--template-location=",
               "--error-exitcode=1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    found = {Complaint(match["path"], int(match["line"]), match["text"])
             for match in FINDING.finditer(done.stderr)}
    if done.returncode and not found:
        words = (done.stderr or done.stdout).strip().split("\n")[-1]
        found = {Complaint(SUPPRESSIONS, 0, f"cppcheck failed: {words}")}
    return sorted(found)


def reasons(tree, _build):
    """Every suppression has its reason right above it."""
    before = ""
    for number, line in tree.lines(SUPPRESSIONS):
        told = re.match(r"# .{9,}", before)
        if line and not line.startswith("#") and not told:
            yield Complaint(SUPPRESSIONS, number, "want a line '# reason' above it")
        before = line


RULES = (
    ("cppcheck finds nothing", cppcheck),
    ("suppressions say why", reasons),
)

if __name__ == "__main__":
    sys.exit(verdict.main(RULES, needs_build=True))
