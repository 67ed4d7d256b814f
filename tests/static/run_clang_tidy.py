# SPDX-License-Identifier: GPL-2.0-or-later
"""clang-tidy over every C file of the build, two at a time; unchanged files are not read again.

What was found clean is remembered in BUILD/static-cache/clang-tidy by the hash of all that could
change the verdict: the tool, its configuration, the command line, the file, the headers it reaches.
"""

import concurrent.futures
import hashlib
import json
import pathlib
import re
import subprocess
import sys

import c_source
import verdict
from verdict import Complaint

PROCESSES = 2
LIMIT_S = 600
FINDING = re.compile(r"^(?P<path>[^:\s][^:\n]*):(?P<line>\d+):\d+: (?:warning|error): (?P<text>.+?)"
                     r"(?:,-warnings-as-errors\])?$", re.MULTILINE)
# What GCC knows and clang does not is no finding.
EXTRA = ("--extra-arg=-Wno-unknown-warning-option",
         "--extra-arg=-Wno-ignored-optimization-argument")


class Unit:
    """One compiled file."""

    def __init__(self, tree, build, entry):
        self.tree = tree
        self.build = build
        source = pathlib.Path(entry["directory"], entry["file"]).resolve()
        self.path = source.relative_to(tree.root).as_posix()
        self.command = entry["command"]

    def key(self, fixed):
        """A name for everything the verdict depends on."""
        digest = hashlib.sha256(fixed + self.command.encode())
        for path in sorted(self._reached(self.path, set())):
            digest.update(path.encode() + b"\0" + (self.tree.root / path).read_bytes())
        return digest.hexdigest()

    def _reached(self, path, seen):
        seen.add(path)
        for _, mark, name in c_source.includes(self.tree.text(path)):
            near = (pathlib.PurePosixPath(path).parent / name).as_posix()
            for found in (name, near):
                if mark == '"' and found in self.tree and found not in seen:
                    self._reached(found, seen)
        return seen

    def look(self):
        """Run the tool; complaints."""
        command = ["clang-tidy", "--quiet", "-p", str(self.build), *EXTRA,
                   str(self.tree.root / self.path)]
        done = subprocess.run(command, cwd=self.build, capture_output=True, text=True,
                              timeout=LIMIT_S, check=False)
        matches = list(FINDING.finditer(done.stdout))
        if done.returncode and not matches:
            words = (done.stderr or done.stdout).strip().split("\n")[-1]
            return [Complaint(self.path, 0, f"clang-tidy failed: {words}")]
        found = [(self._relative(match["path"]), match) for match in matches]
        return [Complaint(path, int(match["line"]), match["text"]) for path, match in found if path]

    def _relative(self, path):
        """The path from the tree's root; None for headers made by the build, which nobody wrote."""
        path = (self.build / path).resolve()
        inside = path.is_relative_to(self.tree.root)
        name = path.relative_to(self.tree.root).as_posix() if inside else None
        return name if name in self.tree else None


def units(tree, build):
    """The files of the tree that the build compiles, each once."""
    with open(build / "compile_commands.json", encoding="utf-8") as f:
        entries = json.load(f)
    found = {}
    for entry in entries:
        source = pathlib.Path(entry["directory"], entry["file"]).resolve()
        if source.is_relative_to(tree.root) and source.relative_to(tree.root).as_posix() in tree:
            unit = Unit(tree, build, entry)
            found.setdefault(unit.path, unit)
    return [found[path] for path in sorted(found)]


def tidy(tree, build):
    """Look at what changed; complaints of all of it."""
    cache = build / "static-cache" / "clang-tidy"
    cache.mkdir(parents=True, exist_ok=True)
    version = subprocess.run(["clang-tidy", "--version"], capture_output=True, check=True).stdout
    fixed = version + b"".join(tree.text(path).encode() for path in _configurations(tree))
    keys = {unit: unit.key(fixed) for unit in units(tree, build)}
    stale = [unit for unit, key in keys.items() if not (cache / key).exists()]
    print(f"# clang-tidy looks at {len(stale)} of {len(keys)} files", flush=True)
    complaints = set()
    with concurrent.futures.ThreadPoolExecutor(PROCESSES) as pool:
        for unit, found in zip(stale, pool.map(Unit.look, stale)):
            complaints.update(found)
            if not found:
                (cache / keys[unit]).touch()
    _forget(cache, set(keys.values()))
    return sorted(complaints)


def _forget(cache, keep):
    for old in cache.iterdir():
        if old.name not in keep:
            old.unlink()


def _configurations(tree):
    return [path for path in tree.files if pathlib.PurePosixPath(path).name == ".clang-tidy"]


def reasons(tree, _build):
    """Every check that is off says why, in a comment of its .clang-tidy."""
    for path in _configurations(tree):
        text = tree.text(path)
        for name in re.findall(r"^\s+-([a-z][\w.*-]+),?$", text, re.MULTILINE):
            if not re.search(rf"^# -{re.escape(name)}: \S.{{9,}}", text, re.MULTILINE):
                yield Complaint(path, 0, f"want a line '# -{name}: reason'")


def suppressed(tree, _build):
    """NOLINT names its check and says why, on the same line; NOLINTEND needs no reason again."""
    names = r"\([a-z][\w.,-]*[a-z]\)"
    form = re.compile(rf"NOLINT(NEXTLINE|BEGIN)?{names}: \S.{{9,}}|NOLINTEND{names}")
    for path in tree.of_kind("c"):
        for number, line in tree.lines(path):
            if "NOLINT" in line and not form.search(line):
                yield Complaint(path, number, "want 'NOLINT(check): reason' on one line")


RULES = (
    ("clang-tidy finds nothing", tidy),
    ("checks that are off say why", reasons),
    ("NOLINT says which check and why", suppressed),
)

if __name__ == "__main__":
    sys.exit(verdict.main(RULES, needs_build=True))
