# SPDX-License-Identifier: GPL-2.0-or-later
"""How files and functions begin: licence, purpose, where it runs, whom it reads; contracts."""

import pathlib
import re
import sys

import c_source
import verdict
from verdict import Complaint

GPL = "GPL-2.0-or-later"
LGPL = "LGPL-2.1-or-later"
TOP_BLOCK_LINE = 2
LGPL_FOLDERS = ("include/", "libhylics/", "preload/")
# What libhylics is linked with; LICENSES/README.md has the same list.
LGPL_FILES = {f"common/{name}.{end}" for end in "ch"
              for name in ("burst", "clock", "cursor", "err", "fdpass", "json", "own", "pacing",
                           "printable", "unixsock")} | {
    "common/limits.h", "proto/cast.c", "proto/cast.h", "proto/grow.h", "proto/job.c",
    "proto/job.h", "proto/local.c", "proto/local.h", "proto/option.c", "proto/option.h",
    "proto/page.h", "proto/reason.c", "proto/reason.h", "proto/tally.h"}
# Called by the C library or the fuzzer, not by us.
NO_CONTRACT = {"main", "LLVMFuzzerTestOneInput", "LLVMFuzzerInitialize",
               "LLVMFuzzerCustomMutator"}
# The run() of a command: its contract stands at struct hy_cmd.
RUN_PARAMS = ("values", "argc", "argv", "e")


def _licence(path):
    return LGPL if path.startswith(LGPL_FOLDERS) or path in LGPL_FILES else GPL


def _without_shebang(tree, path):
    lines = tree.text(path).split("\n")
    return lines[1:] if lines[0].startswith("#!") else lines


def licence(tree):
    """The first line (behind #!) names the licence of its folder, or its own."""
    forms = {"c": "/* {} */", "python": "# {}", "shell": "# {}", "meson": "# {}", "man": '.\\" {}'}
    for path in tree.of_kind(*forms):
        want = forms[tree.kind(path)].format(f"SPDX-License-Identifier: {_licence(path)}")
        lines = _without_shebang(tree, path)
        if path.endswith("_options.txt") or path.endswith(".build"):
            lines = lines[:1]
        if lines[0] != want:
            yield Complaint(path, 1, f"want '{want}' as the first line")


def _block(tree, path):
    """The block comment that must stand right behind the licence; its lines without " * "."""
    for comment in c_source.comments(tree.text(path)):
        if comment.line == TOP_BLOCK_LINE:
            return [re.sub(r"^ ?\*? ?", "", line) for line in comment.text.split("\n")]
    return []


def c_name(tree):
    """C files say their own name and a purpose."""
    for path in tree.of_kind("c"):
        name = pathlib.PurePosixPath(path).name
        block = _block(tree, path)
        if len(block) < 2 or not re.fullmatch(re.escape(name) + r" - \S.*", block[1]):
            yield Complaint(path, 3, f"want ' * {name} - purpose' there")


def c_origin(tree):
    """C files say where they run and whom they read from."""
    for path in tree.of_kind("c"):
        block = _block(tree, path)
        for key in ("Runs in: ", "Reads from: "):
            if not any(re.match(key + r"\S", line) for line in block):
                yield Complaint(path, 3, f"'{key.strip()}' is missing in the block at the top")


def script_purpose(tree):
    """Python, shell and meson files say their purpose in one line."""
    for path in tree.of_kind("python", "shell", "meson"):
        lines = _without_shebang(tree, path)
        line = lines[1] if len(lines) > 1 else ""
        form = r'("""|# )\S.{9,}' if tree.kind(path) == "python" else r"# \S.{9,}"
        if not re.match(form, line):
            yield Complaint(path, 2, "want a one-line purpose right behind the licence")


def _before(tree, path):
    """{line of a comment's end: comment}, without the block at the top of the file"""
    return {comment.end: comment for comment in c_source.comments(tree.text(path))
            if comment.line != TOP_BLOCK_LINE}


def _runs(found):
    """Groups of prototypes with nothing between them, not even a blank line."""
    group = []
    for function in found:
        if group and function.line != group[-1].end + 1:
            yield group
            group = []
        group.append(function)
    if group:
        yield group


def _is_public(function):
    return not function.static and function.name not in NO_CONTRACT and \
        function.params != RUN_PARAMS


def contracts(tree):
    """Every non-static function has a contract: above it, beside it, or above its group."""
    declared = set()
    for path in sorted(tree.of_kind("c"), key=lambda name: name.endswith(".c")):
        ends = _before(tree, path)
        public = [f for f in c_source.functions(tree.text(path)) if _is_public(f)]
        for group in _runs(public):
            told = group[0].line - 1 in ends
            for function in group:
                told = told or function.end in ends
                if not told and function.name not in declared:
                    yield Complaint(path, function.line,
                                    f"{function.name}() has no contract, here or in a header")
                declared.add(function.name)


def kernel_doc(tree):
    """A kernel-doc block names the function below it and each of its parameters, in order."""
    for path in tree.of_kind("c"):
        ends = _before(tree, path)
        for function in c_source.functions(tree.text(path)):
            comment = ends.get(function.line - 1)
            if comment and comment.text.startswith("/**"):
                yield from _block_faults(path, function, comment)


def _block_faults(path, function, comment):
    head = comment.text.split("\n")[1] if "\n" in comment.text else ""
    if not re.match(rf" \* {re.escape(function.name)}\(\) - \S", head):
        yield Complaint(path, comment.line + 1, f"want ' * {function.name}() - what it does'")
    told = re.findall(r"^ \* @(\w+|\.\.\.):", comment.text, re.MULTILINE)
    wanted = [name for name in function.params if name != "..." or name in told]
    if told and told != wanted:
        yield Complaint(path, comment.line, f"{function.name}(): the block has "
                        f"{', '.join(told)}, the function has {', '.join(wanted)}")
    elif not told and len(wanted) > 1:
        yield Complaint(path, comment.line, f"{function.name}(): tell what each of "
                        f"{', '.join(wanted)} is")


RULES = (
    ("every file names its licence", licence),
    ("C files say their name and purpose", c_name),
    ("C files say where they run and whom they read from", c_origin),
    ("scripts and build files say their purpose", script_purpose),
    ("every non-static function has a contract", contracts),
    ("kernel-doc blocks fit their functions", kernel_doc),
)

if __name__ == "__main__":
    sys.exit(verdict.main(RULES))
