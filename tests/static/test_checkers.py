# SPDX-License-Identifier: GPL-2.0-or-later
"""Every rule of every checker sees a bad example, and nothing in a good one."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
from typing import NamedTuple

from good_tree import BUILD, TREE

HERE = pathlib.Path(__file__).resolve().parent
LIMIT_S = 120
WITH_BUILD = ("check_docs", "run_clang_tidy", "run_cppcheck")
CHECKERS = ("check_includes", "check_headers", "check_style", "check_words", "check_rights",
            *WITH_BUILD)
SPDX = "SPDX-License-Identifier: GPL-2.0-or-later"


class Bad(NamedTuple):
    """A change to the good tree that one rule of a checker must complain of; None: remove."""

    checker: str
    rule: str
    change: dict
    complaint: str


def c_file(name, code):
    """A C file with a proper beginning."""
    return (f"/* {SPDX} */\n/*\n * {name} - example\n *\n * Runs in: nothing\n"
            f" * Reads from: no untrusted input\n */\n{code}")


def edited(path, old, new):
    """A file of the good tree with a change."""
    text = TREE[path]
    assert old in text, (path, old)
    return {path: text.replace(old, new)}


BAD = (
    # check_includes
    Bad("check_includes", "project includes are written from the root and exist",
        {"common/b.c": c_file("b.c", '#include "a.h"\n')}, 'common/b.c:8: "a.h" is no file'),
    Bad("check_includes", "project includes are in quotes",
        {"common/b.c": c_file("b.c", "#include <common/a.h>\n")}, "common/b.c:8: <common/a.h>"),
    Bad("check_includes", "libraries include only the layers below",
        {"common/b.c": c_file("b.c", '#include "proto/p.h"\n')}, 'common/b.c:8: "proto/p.h"'),
    Bad("check_includes", "libraries include only the layers below",
        {"twin/t.c": c_file("t.c", '#include "proto/p.h"\n')}, 'twin/t.c:8: "proto/p.h"'),
    Bad("check_includes", "a program's headers stay its own",
        {"cli/c.c": c_file("c.c", '#include "hylicsd/d.h"\n')}, 'cli/c.c:8: "hylicsd/d.h" belongs'),
    Bad("check_includes", "pure folders reach no socket, I/O or allocation header",
        {"proto/q.c": c_file("q.c", "#include <stdlib.h>\n")}, "proto/q.c:8: <stdlib.h>"),
    Bad("check_includes", "pure folders reach no socket, I/O or allocation header",
        {"proto/q.c": c_file("q.c", '#include "common/a.h"\n'),
         "common/a.h": c_file("a.h", "#include <sys/socket.h>\n")},
        "proto/q.c: <sys/socket.h>, reached through common/a.h:8"),

    # check_headers
    Bad("check_headers", "every file names its licence",
        {"common/x.py": '# no licence\n"""A purpose told."""\n'}, "common/x.py:1: want '# SPDX"),
    Bad("check_headers", "every file names its licence",
        {"libhylics/x.c": c_file("x.c", "")}, "LGPL-2.1-or-later */' as the first line"),
    Bad("check_headers", "every file names its licence",
        {"proto/local.c": c_file("local.c", "")}, "proto/local.c:1: want '/* SPDX-License-"
        "Identifier: LGPL-2.1-or-later */'"),
    Bad("check_headers", "every file names its licence",
        {"proto/frame.c": c_file("frame.c", "").replace("GPL-2.0", "LGPL-2.1")},
        "proto/frame.c:1: want '/* SPDX-License-Identifier: GPL-2.0-or-later */'"),
    Bad("check_headers", "C files say their name and purpose",
        {"common/b.c": c_file("other.c", "")}, "common/b.c:3: want ' * b.c - purpose'"),
    Bad("check_headers", "C files say where they run and whom they read from",
        {"common/b.c": c_file("b.c", "").replace(" * Reads from", " * Reads")},
        "common/b.c:3: 'Reads from:' is missing"),
    Bad("check_headers", "scripts and build files say their purpose",
        {"run": f"#!/bin/sh\n# {SPDX}\nset -eu\n"}, "run:2: want a one-line purpose"),
    Bad("check_headers", "every non-static function has a contract",
        {"common/b.h": c_file("b.h", "void b_do(void);\n")}, "common/b.h:8: b_do() has no"),
    Bad("check_headers", "every non-static function has a contract",
        {"common/b.c": c_file("b.c", "int b_do(void)\n{\n\treturn 0;\n}\n")},
        "common/b.c:8: b_do() has no"),
    Bad("check_headers", "kernel-doc blocks fit their functions",
        edited("common/a.h", "@n:", "@m:"), "a_take(): the block has r, m, the function has r, n"),
    Bad("check_headers", "kernel-doc blocks fit their functions",
        edited("common/a.h", "a_take() -", "a_give() -"), "want ' * a_take() - what it does'"),

    # check_style
    Bad("check_style", "lines have at most 100 columns",
        {"common/b.c": c_file("b.c", "\t" * 12 + "wide_on;\n")}, "common/b.c:8: 104 columns"),
    Bad("check_style", "indentation",
        {"common/b.c": c_file("b.c", "static int f(void)\n{\n        return 0;\n}\n")},
        "common/b.c:10: indent with tabs"),
    Bad("check_style", "indentation",
        {"x.py": f'# {SPDX}\n"""A purpose told."""\nif 1:\n\tpass\n'},
        "x.py:4: indent with spaces"),
    Bad("check_style", "no stray white space",
        {"docs/x.md": "word \n"}, "docs/x.md:1: white space at the end"),
    Bad("check_style", "no stray white space",
        {"docs/x.md": "word"}, "docs/x.md: want exactly one newline"),
    Bad("check_style", "functions have at most 80 lines",
        {"common/b.c": c_file("b.c", "static void f(void)\n{\n" + "\tg();\n" * 78 + "}\n")},
        "common/b.c:8: f() has 81 lines"),
    Bad("check_style", "functions have at most 80 lines",
        {"x.py": f'# {SPDX}\n"""A purpose told."""\ndef f():\n' + "    g()\n" * 80},
        "x.py:3: f() has 81 lines"),
    Bad("check_style", "files have at most 700 lines",
        {"x.sh": f"# {SPDX}\n# a purpose told\n" + ":\n" * 699}, "x.sh: 701 lines"),
    Bad("check_style", "names of files say what is in them",
        {"common/string_utils.c": c_file("string_utils.c", "")}, "'string_utils.c' says nothing"),
    Bad("check_style", "nothing is left for later",
        {"common/b.c": c_file("b.c", "/* FIX" "ME: later */\n")}, "common/b.c:8: 'FIX" "ME'"),

    # check_words
    Bad("check_words", "the tree is free of paths of the place where it was written",
        {"docs/x.md": "see /wo" "rk/notes\n"}, "docs/x.md:1: '/wo" "rk/'"),
    Bad("check_words", "the tree is free of names of the place where it was written",
        {"docs/x.md": "in .lib" "rary\n"}, "docs/x.md:1: '.lib" "rary'"),
    Bad("check_words", "the tree is free of numbers of a tracker",
        {"data.json": '{"why": "iss' 'ue 12"}\n'}, "data.json:1: 'iss" "ue 12'"),
    Bad("check_words", "the tree is free of how it was written",
        {"docs/x.md": "written by an A" "I\n"}, "docs/x.md:1: 'A" "I'"),
    Bad("check_words", "the tree is free of praise",
        {"docs/x.md": "a rob" "ust thing\n"}, "docs/x.md:1: 'rob" "ust'"),

    # check_rights
    Bad("check_rights", "host.md lists the capabilities of the code",
        edited("docs/host.md", "| CAP_KILL | ends |\n", ""), "missing below 'Capabilities'"),
    Bad("check_rights", "host.md lists the capabilities of the code",
        edited("docs/host.md", "| CAP_KILL | ends |", "| CAP_KILL | ends |\n| CAP_BPF | x |"),
        "docs/host.md:9: not in hylicsd/rights.h: CAP_BPF"),
    Bad("check_rights", "the unit of systemd has the same capabilities",
        edited("packaging/systemd/hylicsd.service.in", " CAP_KILL", " CAP_BPF"),
        "differs from hylicsd/rights.h: CAP_BPF, CAP_KILL"),
    Bad("check_rights", "the unit of systemd has the same capabilities",
        edited("packaging/systemd/hylicsd.service.in", "CapabilityBoundingSet", "# Caps"),
        "want one line"),
    Bad("check_rights", "privileged calls stand where host.md says",
        {"hylicsd/b.c": c_file("b.c", "static int f(void)\n{\n\treturn swapon(0, 0);\n}\n")},
        "hylicsd/b.c:10: swapon(): not in the table"),
    Bad("check_rights", "privileged calls stand where host.md says",
        {"common/b.c": c_file("b.c", "static int f(void)\n{\n\tsyscall(SYS_setns, 0);\n}\n")},
        "common/b.c:10: setns(): not in the table"),
    Bad("check_rights", "host.md lists no privileged call that is not there",
        edited("docs/host.md", "| swapon |", "| swapon, swapoff |"),
        "docs/host.md:14: hylicsd/swap.c does not call swapoff()"),
    Bad("check_rights", "notes of system calls name what the file calls",
        edited("hylicsd/swap.c", "syscalls: read", "syscalls: write, read"),
        "hylicsd/swap.c:10: notes write(), which is not called here"),
    Bad("check_rights", "notes of system calls name what the file calls",
        edited("hylicsd/swap.c", "SO_LINGER),", "SO_MARK),"),
        "hylicsd/swap.c:10: notes SO_MARK, which is not used here"),

    # check_docs
    Bad("check_docs", "wire.md lists the messages of the code",
        edited("docs/wire.md", "| 154 |", "| 155 |"), "not in the code: 1 | hello"),
    Bad("check_docs", "wire.md lists the messages of the code",
        edited("docs/wire.md", "| 2 | bye | control | both | 4 | 131 | ends |\n", ""),
        "missing below 'Messages': | 2 | bye"),
    Bad("check_docs", "wire.md lists the reasons of a bye",
        edited("docs/wire.md", "stopping", "ending"), "not in the code: 1 | ending"),
    Bad("check_docs", "wire.md gives the numbers of the code",
        edited("docs/wire.md", "| 24 |", "| 25 |"), "not in the code: FRAME_HEADER_LEN | 25"),
    Bad("check_docs", "contracts.md lists the exit codes",
        edited("docs/contracts.md", "| 1 | HY_EXIT_FAILED |", "| 2 | HY_EXIT_FAILED |"),
        "missing below 'Exit codes': | 1 | HY_EXIT_FAILED |"),
    Bad("check_docs", "contracts.md lists the error codes",
        edited("docs/contracts.md", "ENOENT | 3", "ENOENT | 1"), "not-found | ENOENT | 3"),
    Bad("check_docs", "contracts.md lists the fault steps",
        edited("docs/contracts.md", "## Fault steps", "## Steps"), "no table below 'Fault steps'"),
    Bad("check_docs", "contracts.md lists why a connection was not moved",
        edited("docs/contracts.md", "| 0 | moved |", "| 0 | gone |"), "not in the code: 0 | gone"),
    Bad("check_docs", "contracts.md and hylics-guest.1 tell how to mend it",
        edited("docs/contracts.md", "| error | look |", "| error | wait |"),
        "error: must say 'look'"),
    Bad("check_docs", "contracts.md and hylics-guest.1 tell how to mend it",
        edited("docs/man/hylics-guest.1", "Look.", "Wait."), "error: must say 'look'"),
    Bad("check_docs", "contracts.md lists the limits",
        edited("docs/contracts.md", "| 16384 |", "| 16385 |"), "HY_CHUNK_MAX | 16385"),
    Bad("check_docs", "contracts.md lists the limits",
        edited("docs/contracts.md", "| HY_CHUNK_MAX | 16384 |\n| HY_NAME_MAX | 63 |\n",
               "| HY_NAME_MAX | 63 |\n| HY_CHUNK_MAX | 16384 |\n"), "in another order"),
    Bad("check_docs", "contracts.md lists the environment variables",
        {"x.py": f'# {SPDX}\n"""A purpose told."""\nNAME = "HYLICS_NEW"\n'},
        "x.py:3: HYLICS_NEW is not in"),
    Bad("check_docs", "contracts.md lists the environment variables",
        edited("common/a.c", "HYLICS_RUN_DIR", "/run"), "nothing reads HYLICS_RUN_DIR"),
    Bad("check_docs", "links point to what is there",
        {"docs/x.md": "see [there](../nowhere.md)\n"}, "docs/x.md:1: '../nowhere.md'"),
    Bad("check_docs", "links point to what is there",
        {"docs/x.md": "see [there](wire.md#no-such)\n"}, "no such heading in docs/wire.md"),
    Bad("check_docs", "map.md names every folder",
        {"new/README.md": "# new/\n"}, "'new/' is missing below 'Folders'"),
    Bad("check_docs", "map.md names every folder",
        edited("docs/map.md", "| `cli/` |", "| `cli2/` |"), "there is no folder 'cli2'"),
    Bad("check_docs", "every folder has a README", {"cli/README.md": None}, "cli/README.md: is"),
    Bad("check_docs", "every test is in a suite",
        edited("tests/unit/meson.build", "'d'", "'e'"), "tests/unit/test_d.c: tests/unit/meson"),
    Bad("check_docs", "man pages list what the programs understand",
        edited("docs/man/hylics.1", "--level LEVEL", "--lvel LEVEL"), "no paragraph '--level'"),
    Bad("check_docs", "man pages list what the programs understand",
        edited("docs/man/hylics.1", ".B --all\n", ".B --some\n"), "does not know '--some'"),
    Bad("check_docs", "man pages list what the programs understand",
        edited("docs/man/hylics.1", "hylics vm", "hylics vn"), "does not name 'hylics vm'"),
    Bad("check_docs", "man pages list what the programs understand",
        {"docs/man/hylics-wire.1": None}, "docs/man/hylics-wire.1: is missing"),
    Bad("check_docs", "hylicsd.conf.5 lists the keys of the code",
        edited("docs/man/hylicsd.conf.5", "swap-file", "swap"), "CONFIGURATION must list"),
    Bad("check_docs", "hylicsd.conf.5 lists the keys of the code",
        edited("docs/man/hylicsd.conf.5", ".SH RECORDS", ".SH NOTES"), "RECORDS must list"),
    Bad("check_docs", "hylicsd.conf.5 lists the keys of the code",
        edited("docs/man/hylicsd.conf.5", "= PATH", "= FILE"), "swap-file = PATH"),
    Bad("check_docs", "hylicsd.conf.5 lists the keys of the code",
        edited("docs/man/hylicsd.conf.5", "/run.", "/var."), "no sentence 'Default: /run.'"),
    Bad("check_docs", "hylicsd.conf.5 lists the keys of the code",
        {"docs/man/hylicsd.conf.5": None}, "hylicsd.conf.5: is missing"),
    Bad("check_docs", "man pages render without warnings",
        edited("docs/man/hylics.1", ".SH OPTIONS", ".XYZ\n.SH OPTIONS"), "'XYZ' not defined"),
    Bad("check_docs", "spec.md names proofs that exist",
        edited("docs/spec.md", "`common/a.c: run_dir`", "`common/a.c: no_such`"),
        "common/a.c has no no_such"),
    Bad("check_docs", "spec.md names proofs that exist",
        edited("docs/spec.md", "*pending*", "surely"), "names no proof"),
    Bad("check_docs", "spec.md names proofs that exist",
        edited("docs/spec.md", "lab run ping", "lab run pong"), "no lab/hylab/experiments/pong.py"),
    Bad("check_docs", "openapi.json describes the routes of the code",
        edited("docs/openapi.json", "get", "put"), "not in the code: PUT /v1/vms"),
    Bad("check_docs", "openapi.json describes the routes of the code",
        edited("docs/openapi.json", '"/v1/vms"', '"/v1/vm"'), "missing: GET /v1/vms"),
    Bad("check_docs", "openapi.json describes the routes of the code",
        edited("docs/openapi.json", "all VMs", "some VMs"), "summary is 'all VMs' in the code"),
    Bad("check_docs", "openapi.json describes the routes of the code",
        edited("docs/openapi.json", '"name": "force"', '"name": "f"'), "query is 'force' in"),
    Bad("check_docs", "openapi.json describes the routes of the code",
        edited("docs/openapi.json", '"required": true', '"required": false'), "body is 'must' in"),
    Bad("check_docs", "openapi.json describes the routes of the code",
        edited("docs/openapi.json", "4096", "4095"), "member 'share' is ['size'"),
    Bad("check_docs", "openapi.json describes the routes of the code",
        edited("docs/openapi.json", ': false, "required"', ': true, "required"'), "must not allow"),
    Bad("check_docs", "openapi.json describes the routes of the code",
        edited("docs/openapi.json", "default", "200"), "no default response"),
    Bad("check_docs", "openapi.json is sound in itself",
        edited("docs/openapi.json", '"size": {"type": "string"}', '"size": {"$ref": "#/no"}'),
        "'#/no' is not there"),
    Bad("check_docs", "openapi.json is sound in itself",
        edited("docs/openapi.json", '"in": "path"', '"in": "header"'), "its parameters are []"),

    # the tools
    Bad("run_clang_tidy", "clang-tidy finds nothing",
        edited("common/a.c", "strcmp(a, b) == 0", "strcmp(a, b) == -1"), "suspicious constant"),
    Bad("run_clang_tidy", "clang-tidy finds nothing",
        edited("common/a.c", "static", "stratic"), "common/a.c:"),
    Bad("run_clang_tidy", "checks that are off say why",
        edited(".clang-tidy", "# -bugprone-easily", "# bugprone-easily"),
        ".clang-tidy: want a line '# -bugprone-easily-swappable-parameters: reason'"),
    Bad("run_clang_tidy", "NOLINT says which check and why",
        edited("common/a.c", "== 0;", "== 0; /* NOLINT */"), "want 'NOLINT(check): reason'"),
    Bad("run_cppcheck", "cppcheck finds nothing",
        edited("common/a.c", "return strcmp(a, b) == 0;", "char c[2]; c[2] = *a; return c[2];"),
        "common/a.c:"),
    Bad("run_cppcheck", "suppressions say why",
        {"tests/static/cppcheck-suppressions.txt": "variableScope\n"},
        "cppcheck-suppressions.txt:1: want a line '# reason' above it"),
)


def write(root, files):
    """Files of a tree; None removes one."""
    for name, text in files.items():
        path = root / name
        if text is None:
            path.unlink()
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        if text.startswith("#!"):
            path.chmod(0o755)


class Place:
    """A good tree and a build folder beside it, both in a temporary folder."""

    def __init__(self, folder):
        self.tree = pathlib.Path(folder, "tree")
        self.build = pathlib.Path(folder, "build")
        write(self.tree, TREE)
        write(self.build, BUILD)
        source = self.tree / "common/a.c"
        command = {"directory": str(self.build), "file": str(source),
                   "command": f"cc -I{self.tree} -c {source} -o a.o"}
        write(self.build, {"compile_commands.json": json.dumps([command])})
        subprocess.run(["git", "init", "-q", str(self.tree)], check=True, timeout=LIMIT_S,
                       env={**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null"})

    def check(self, checker):
        """Run a checker; ({rule: it holds}, all it said)."""
        command = [sys.executable, str(HERE / f"{checker}.py"), "--root", str(self.tree)]
        if checker in WITH_BUILD:
            command += ["--build", str(self.build)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False)
        points = {}
        for line in done.stdout.splitlines():
            if line.startswith(("ok ", "not ok ")):
                verdict, _, rule = line.partition(" - ")
                points[rule] = not verdict.startswith("not")
        if not points or (done.returncode == 0) != all(points.values()):
            points[f"exit code {done.returncode}"] = False
        return points, done.stdout + done.stderr


class Tap:
    """Test points of this test."""

    def __init__(self):
        self.points = 0
        self.failed = 0

    def point(self, holds, name, said=""):
        """One of them, with what the checker said if it fails."""
        self.points += 1
        self.failed += not holds
        print(f"{'ok' if holds else 'not ok'} {self.points} - {name}", flush=True)
        if not holds:
            print("".join(f"# {line}\n" for line in said.splitlines()), end="")


def good_is_good(tap):
    """A good tree has no complaint; the rules of each checker."""
    rules = {}
    with tempfile.TemporaryDirectory() as folder:
        place = Place(folder)
        for checker in CHECKERS:
            points, said = place.check(checker)
            tap.point(all(points.values()), f"{checker}: no complaint of a good tree", said)
            rules[checker] = set(points)
    return rules


def bad_is_seen(tap, bad):
    """The rule complains, and no other does."""
    with tempfile.TemporaryDirectory() as folder:
        place = Place(folder)
        write(place.tree, bad.change)
        points, said = place.check(bad.checker)
    wrong = [rule for rule, holds in points.items() if not holds]
    tap.point(wrong == [bad.rule] and bad.complaint in said,
              f"{bad.checker}: {bad.rule}: {bad.complaint}", said)


def cache_is_used(tap):
    """clang-tidy reads a file again only when it, or a header it reaches, has changed."""
    with tempfile.TemporaryDirectory() as folder:
        place = Place(folder)
        for change, looked_at in (({}, 1), ({}, 0), ({"common/c.h": c_file("c.h", "")}, 0),
                                  (edited("common/a.h", "example", "changed"), 1), ({}, 0),
                                  (edited(".clang-tidy", "# What", "# Which"), 1)):
            write(place.tree, change)
            _, said = place.check("run_clang_tidy")
            tap.point(f"looks at {looked_at} of 1 files" in said,
                      f"run_clang_tidy: looks at {looked_at} after changing {list(change)}", said)


def no_checkout_is_skipped(tap):
    """A folder that git does not know is skipped, with the reason."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, str(HERE / "check_style.py"), "--root", folder]
        out = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S,
                             check=False).stdout
    tap.point(out.startswith("1..0 # SKIP "), "a folder without git is skipped", out)


def main():
    """All of it; the exit code."""
    tap = Tap()
    rules = good_is_good(tap)
    for bad in BAD:
        bad_is_seen(tap, bad)
    for checker, known in rules.items():
        tried = {bad.rule for bad in BAD if bad.checker == checker}
        tap.point(known == tried, f"{checker}: every rule has a bad example",
                  f"without: {sorted(known - tried)}\nunknown: {sorted(tried - known)}")
    cache_is_used(tap)
    no_checkout_is_skipped(tap)
    print(f"1..{tap.points}")
    return 1 if tap.failed else 0


if __name__ == "__main__":
    sys.exit(main())
