# SPDX-License-Identifier: GPL-2.0-or-later
"""Who includes whom: layers, pure folders, and a program's headers that stay its own."""

import pathlib
import sys

import c_source
import verdict
from verdict import Complaint

# Each folder may include itself, and the folders named here. What is not named is a program.
LAYERS = {
    "include": set(),
    "common": set(),
    "proto": {"common"},
    "conf": {"common", "proto"},
    "tcpmove": {"common"},
    "twin": {"common"},
    "control": {"common"},
    "channel": {"common", "proto", "tcpmove", "twin", "control"},
}
LIBRARIES = set(LAYERS)
# A program that is built with parts of another one: the watch reads frames as the wire does; what
# the simulator draws is the wire's chance; the preload is libhylics with other doors.
PARTS = {"lab/talk": {"lab/wire"}, "lab/sim": {"lab/wire"}, "preload": {"libhylics"}}
PURE = ("proto", "control")
PURE_HEADERS = {"assert.h", "endian.h", "errno.h", "float.h", "inttypes.h", "limits.h", "math.h",
                "stdatomic.h", "stdbool.h", "stddef.h", "stdint.h", "string.h"}
GENERATED = {"version.h", "tests/static/limit_rows.h"}
GENERATED_ENDS = (".skel.h",)		# made of BPF programs


def folder(path):
    """The program, library or test folder a file belongs to: "lab/wire", "proto", "tests/unit"."""
    parts = pathlib.PurePosixPath(path).parts
    return "/".join(parts[:2]) if parts[0] in ("lab", "tests") else parts[0]


def _quoted(tree):
    for path in tree.of_kind("c"):
        for line, mark, name in c_source.includes(tree.text(path)):
            if mark == '"':
                yield path, line, name


def from_the_root(tree):
    """Project includes are written "folder/file.h", and the file is there."""
    for path, line, name in _quoted(tree):
        if name not in tree and name not in GENERATED and not name.endswith(GENERATED_ENDS):
            yield Complaint(path, line, f'"{name}" is no file of the tree, seen from its root')


def project_in_quotes(tree):
    """What is in the tree is included with quotes, what is installed with angle brackets."""
    for path in tree.of_kind("c"):
        for line, mark, name in c_source.includes(tree.text(path)):
            if mark == "<" and (name in tree or name in GENERATED):
                yield Complaint(path, line, f"<{name}> is a file of the tree: use quotes")


def layers(tree):
    """A library includes only what lies below it."""
    for path, line, name in _quoted(tree):
        own, other = folder(path), folder(name)
        if own in LIBRARIES and name in tree and other != own and other not in LAYERS[own]:
            below = ", ".join(sorted(LAYERS[own])) or "nothing"
            yield Complaint(path, line, f'"{name}": {own}/ may include itself and {below}')


def program_headers(tree):
    """A program's headers are its own; tests may include what they test."""
    for path, line, name in _quoted(tree):
        own, other = folder(path), folder(name)
        if name in tree and other not in LIBRARIES | PARTS.get(own, set()) and other != own and \
                not own.startswith("tests/"):
            yield Complaint(path, line, f'"{name}" belongs to {other}/')


def _reached(tree, path, seen):
    """(file, line, system header) of everything a file includes, however deep."""
    for line, mark, name in c_source.includes(tree.text(path)):
        if mark == "<":
            yield path, line, name
        elif name in tree and name not in seen:
            seen.add(name)
            yield from _reached(tree, name, seen)


def pure(tree):
    """Pure folders reach no header with sockets, I/O or allocation, not even through others."""
    for path in tree.of_kind("c"):
        if folder(path) not in PURE:
            continue
        for where, line, name in _reached(tree, path, {path}):
            if name not in PURE_HEADERS:
                through = "" if where == path else f", reached through {where}:{line}"
                yield Complaint(path, line if where == path else 0,
                                f"<{name}>{through}: a pure folder includes only "
                                f"{', '.join(sorted(PURE_HEADERS))}")


RULES = (
    ("project includes are written from the root and exist", from_the_root),
    ("project includes are in quotes", project_in_quotes),
    ("libraries include only the layers below", layers),
    ("a program's headers stay its own", program_headers),
    ("pure folders reach no socket, I/O or allocation header", pure),
)

if __name__ == "__main__":
    sys.exit(verdict.main(RULES))
