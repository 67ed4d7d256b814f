# SPDX-License-Identifier: GPL-2.0-or-later
"""Documentation against code: tables, links, folders, man pages, proofs."""

import os
import pathlib
import re
import subprocess
import sys

import openapi
import verdict
from verdict import Complaint

WIRE = "docs/wire.md"
CONTRACTS = "docs/contracts.md"
MAP = "docs/map.md"
SPEC = "docs/spec.md"
MAN = "docs/man"
PAGES = {"hylics": "hylics.1", "hylics-worker": "hylics-worker.8", "hylics-agent": "hylics-agent.8",
         "hylics-guest": "hylics-guest.1", "hylics-wire": "hylics-wire.1",
         "hylics-talk": "hylics-talk.1", "hylics-sim": "hylics-sim.1",
         "hylics-fit": "hylics-fit.1",
         "hylics-keeper": "hylics-keeper.8", "hylicsd": "hylicsd.8"}
# Where a guest's user reads what to do about a reason.
REASONS_PAGE = "hylics-guest.1"
LIMIT_S = 60
# A page of keys, and by its section the table of the code that lists them.
KEYS = ("hylicsd.conf.5", {"CONFIGURATION": "config", "RECORDS": "record",
                            "MODULES": "module"})
BUILT_IN = ("libexec-dir",)     # their default is the build's
# Folders that hold no code of ours, or whose files each speak for themselves.
NO_README = {"docs"}


# --- tables --------------------------------------------------------------------------------------

def _cells(line):
    """The cells of a Markdown row, without back-quotes; None if it is none."""
    if not line.startswith("|"):
        return None
    return [cell.replace("\\|", "|").strip().replace("`", "")
            for cell in re.split(r"(?<!\\)\|", line.strip())[1:-1]]


def told(tree, path, heading):
    """Rows of the first table below a heading: [(line, cells)]."""
    rows = []
    below = False
    for number, line in tree.lines(path):
        if re.fullmatch(rf"#+ {re.escape(heading)}", line):
            below = True
        elif below and line.startswith("|"):
            rows.append((number, _cells(line)))
        elif rows or (below and line.startswith("#")):
            break
    return rows[2:]         # names of columns, and the line below them


def coded(build, name):
    """Rows of a table of print_tables.c."""
    out = subprocess.run([build / "tests/static/print_tables"], check=True, capture_output=True,
                         text=True, timeout=LIMIT_S).stdout
    rows = [line.split("\t") for line in out.splitlines()]
    return [row[1:] for row in rows if row[0] == name]


def _same(path, heading, name, columns):
    """A rule: the first columns of a table are the code's rows, in the code's order."""
    def rule(tree, build):
        wanted = [row[:columns] for row in coded(build, name)]
        rows = told(tree, path, heading)
        if not rows:
            yield Complaint(path, 0, f"no table below '{heading}'")
        for number, cells in rows:
            if cells[:columns] not in wanted:
                yield Complaint(path, number, f"not in the code: {' | '.join(cells[:columns])}")
        there = [cells[:columns] for _, cells in rows]
        for row in wanted:
            if row not in there:
                yield Complaint(path, 0, f"missing below '{heading}': | {' | '.join(row)} |")
        if sorted(there) == sorted(wanted) and there != wanted:
            yield Complaint(path, rows[0][0], "the rows are in another order than the code's")
    return rule


def environment(tree, _build):
    """Every variable the code knows is told of, and no other."""
    known = {}
    for path in tree.of_kind("c", "python", "shell"):
        if not path.startswith("tests/static/"):
            for number, line in tree.lines(path):
                for name in re.findall(r"""["'$]\{?(HYLICS(?:_[A-Z_]+)?)\b""", line):
                    known.setdefault(name, (path, number))
    rows = {cells[0]: number for number, cells in told(tree, CONTRACTS, "Environment")}
    for name in sorted(set(known) - set(rows)):
        yield Complaint(*known[name], f"{name} is not in {CONTRACTS}, 'Environment'")
    for name in sorted(set(rows) - set(known)):
        yield Complaint(CONTRACTS, rows[name], f"nothing reads {name}")


# --- reasons -------------------------------------------------------------------------------------

def mends(tree, build):
    """What can be done about a reason is told in the same words in code, contracts and man page."""
    page = f"{MAN}/{REASONS_PAGE}"
    shown = " ".join(_rendered(tree, REASONS_PAGE, "--no-hyphenation").stdout.split()).lower()
    listed = {cells[1]: (number, cells[-1]) for number, cells in
              told(tree, CONTRACTS, "Why a connection was not moved")}
    for word, mend in coded(build, "mend"):
        number, words = listed.get(word, (0, None))
        if words != mend:
            yield Complaint(CONTRACTS, number, f"{word}: must say '{mend}'")
        if f"{word} {mend}.".lower() not in shown:
            yield Complaint(page, 0, f"{word}: must say '{mend}'")


# --- links and folders ---------------------------------------------------------------------------

def _prose(tree, path):
    """Lines of a page without code."""
    fenced = False
    for number, line in tree.lines(path):
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif not fenced:
            yield number, re.sub(r"`[^`]*`", "", line)


def _anchors(tree, path):
    """What a browser can jump to in a page, as GitHub makes it of headings."""
    for _, line in tree.lines(path):
        heading = re.match(r"#+ (.*)", line)
        if heading:
            words = re.sub(r"[^\w\- ]", "", heading.group(1).lower())
            yield words.strip().replace(" ", "-")


def links(tree, _build):
    """Every relative link points to a file or folder of the tree, and to a heading in it."""
    folders = {parent.as_posix() for path in tree.files
               for parent in pathlib.PurePosixPath(path).parents}
    for path in tree.of_kind("markdown"):
        for number, line in _prose(tree, path):
            for target in re.findall(r"\]\(([^)\s]+)\)", line):
                if re.match(r"[a-z]+:", target):
                    continue
                name, _, anchor = target.partition("#")
                place = pathlib.PurePosixPath(path).parent / name if name else path
                place = os.path.normpath(place)
                if place not in tree and place not in folders:
                    yield Complaint(path, number, f"'{target}': there is no {place}")
                elif anchor and anchor not in _anchors(tree, place):
                    yield Complaint(path, number, f"'{target}': no such heading in {place}")


def _top_folders(tree):
    tops = {path.split("/")[0] for path in tree.files if "/" in path}
    return sorted(top for top in tops if not top.startswith("."))


def folder_map(tree, _build):
    """The map names every top-level folder, and no other."""
    named = {cells[0].split("/")[0]: number for number, cells in told(tree, MAP, "Folders")}
    for top in _top_folders(tree):
        if top not in named:
            yield Complaint(MAP, 0, f"'{top}/' is missing below 'Folders'")
    for top in sorted(set(named) - set(_top_folders(tree))):
        yield Complaint(MAP, named[top], f"there is no folder '{top}'")


def folder_readmes(tree, _build):
    """Every top-level folder says what runs there."""
    for top in _top_folders(tree):
        if top not in NO_README and f"{top}/README.md" not in tree:
            yield Complaint(f"{top}/README.md", 0, "is missing")


def tests_run(tree, _build):
    """A test that stands in no suite is run by nobody, and nobody notices."""
    for path in tree.files:
        test = re.fullmatch(r"(tests/\w+)/test_(\w+)\.(?:c|py)", path)
        if not test:
            continue
        suite, name = f"{test[1]}/meson.build", test[2]
        if suite not in tree or not re.search(rf"\b(test_)?{name}\b", tree.text(suite)):
            yield Complaint(path, 0, f"{suite} does not name it: it is never run")


# --- man pages -----------------------------------------------------------------------------------

def _rendered(tree, page, *options):
    environ = dict(os.environ, LC_ALL="C.UTF-8", MANWIDTH="100")
    return subprocess.run(["man", *options, "-l", str(tree.root / MAN / page)], env=environ,
                          capture_output=True, text=True, timeout=LIMIT_S, check=False)


def _documented(text):
    """For each tagged paragraph of an option, its possible readings as (long, short, argument).

    A tag of at most six columns has its paragraph on the same line, where "--rate RATE" and
    "--json Print JSON." cannot be told apart.
    """
    for line in re.findall(r"^ {7}(-.*)$", text, re.MULTILINE):
        tags = {line, line[:7].rstrip()} if line[6:7] == " " else {line}
        found = [re.fullmatch(r"(?:(-\w), )?(--[a-z][\w-]*)(?:[ =](\S+))?", tag) for tag in tags]
        readings = {(m.group(2), m.group(1) or "-", m.group(3) or "-") for m in found if m}
        if readings:
            yield readings


def _understood(build, program):
    """Options as (long, short, argument), and the paths of all commands."""
    binary = build / program
    if binary.is_dir():             # the program's folder
        binary = binary / program
    out = subprocess.run([binary, "--print-options"], check=True, capture_output=True, text=True,
                         timeout=LIMIT_S).stdout
    rows = [line.split("\t") for line in out.splitlines()]
    return ({(row[1], row[2], row[4]) for row in rows if row[1] != "-"},
            {row[0] for row in rows if row[1] == "-"})


def man_options(tree, build):
    """A man page lists exactly the options its program understands, and all its commands."""
    for program, page in PAGES.items():
        path = f"{MAN}/{page}"
        if path not in tree:
            yield Complaint(path, 0, "is missing")
            continue
        text = _rendered(tree, page).stdout
        options, commands = _understood(build, program)
        documented = list(_documented(text))
        for name, short, argument in sorted(options - set().union(*documented)):
            yield Complaint(path, 0, f"no paragraph '{name}' (short form {short}, "
                            f"argument {argument})")
        for readings in documented:
            if not readings & options:
                name, short, argument = max(readings)
                yield Complaint(path, 0, f"{program} does not know '{name}' (short form {short}, "
                                f"argument {argument})")
        words = " ".join(text.split())
        for command in sorted(commands):
            if command not in words:
                yield Complaint(path, 0, f"does not name '{command}'")


def _sections(text):
    """{heading: text} of a rendered page."""
    parts = re.split(r"^([A-Z][A-Z ]+)$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2]))


def _keys(section):
    """[(key, argument, words of its paragraph)] of the tags "KEY = ARGUMENT"."""
    parts = re.split(r"^ {7}([a-z][a-z-]*) = (\S+)$", section, flags=re.MULTILINE)
    return [(key, argument, " ".join(words.split()))
            for key, argument, words in zip(parts[1::3], parts[2::3], parts[3::3])]


def man_keys(tree, build):
    """The page of keys lists exactly those of the code, in its order, with their defaults."""
    page, tables = KEYS
    path = f"{MAN}/{page}"
    if path not in tree:
        yield Complaint(path, 0, "is missing")
        return
    sections = _sections(_rendered(tree, page).stdout)
    for heading, table in tables.items():
        wanted = coded(build, table)
        there = _keys(sections.get(heading, ""))
        if [row[:2] for row in wanted] != [[key, argument] for key, argument, _ in there]:
            names = ", ".join(f"{key} = {argument}" for key, argument, _ in wanted)
            yield Complaint(path, 0, f"{heading} must list, in this order: {names}")
        words = {key: paragraph for key, _, paragraph in there}
        for key, _, default in wanted:
            if default != "-" and key not in BUILT_IN and \
                    f"Default: {default}." not in words.get(key, ""):
                yield Complaint(path, 0, f"'{key}': no sentence 'Default: {default}.'")


def man_renders(tree, _build):
    """Man pages render without a warning."""
    for path in tree.of_kind("man"):
        page = pathlib.PurePosixPath(path).name
        done = _rendered(tree, page, "--warnings")
        for line in done.stderr.splitlines():
            yield Complaint(path, 0, line)
        if done.returncode and not done.stderr:
            yield Complaint(path, 0, f"man ended with {done.returncode}")


# --- promises ------------------------------------------------------------------------------------

def proofs(tree, _build):
    """Every promise names a test or experiment that is there, or says that it is pending."""
    for number, line in tree.lines(SPEC):
        if not line.startswith("|") or re.match(r"\|\s*(-|promise|figure)", line, re.IGNORECASE):
            continue
        proof = re.split(r"(?<!\\)\|", line.strip())[-2]
        names = re.findall(r"`([^`]+)`", proof)
        if not names and "*pending*" not in proof:
            yield Complaint(SPEC, number, "names no proof, and does not say *pending*")
        for name in names:
            fault = _proof_fault(tree, name)
            if fault:
                yield Complaint(SPEC, number, fault)


def _proof_fault(tree, name):
    """What is wrong with "FILE", "FILE: TEST" or "hylics lab run EXPERIMENT"; None if nothing."""
    experiment = re.fullmatch(r"hylics lab run ([\w-]+)", name)
    path, _, test = name.partition(": ")
    if experiment:
        path = f"lab/hylab/experiments/{experiment.group(1).replace('-', '_')}.py"
        test = ""
    if path not in tree:
        return f"`{name}`: there is no {path}"
    if test and test not in tree.text(path):
        return f"`{name}`: {path} has no {test}"
    return None


RULES = (
    ("wire.md lists the messages of the code", _same(WIRE, "Messages", "message", 7)),
    ("wire.md lists the reasons of a bye", _same(WIRE, "Reasons of a bye", "bye", 2)),
    ("wire.md gives the numbers of the code", _same(WIRE, "Numbers", "wire", 2)),
    ("contracts.md lists the exit codes", _same(CONTRACTS, "Exit codes", "exit", 2)),
    ("contracts.md lists the error codes", _same(CONTRACTS, "Error codes", "error", 3)),
    ("contracts.md lists the fault steps", _same(CONTRACTS, "Fault steps", "step", 2)),
    ("contracts.md lists why a connection was not moved",
     _same(CONTRACTS, "Why a connection was not moved", "reason", 2)),
    ("contracts.md and hylics-guest.1 tell how to mend it", mends),
    ("contracts.md lists the limits", _same(CONTRACTS, "Limits", "limit", 2)),
    ("contracts.md lists the environment variables", environment),
    ("links point to what is there", links),
    ("map.md names every folder", folder_map),
    ("every folder has a README", folder_readmes),
    ("every test is in a suite", tests_run),
    ("man pages list what the programs understand", man_options),
    ("hylicsd.conf.5 lists the keys of the code", man_keys),
    ("man pages render without warnings", man_renders),
    ("spec.md names proofs that exist", proofs),
    ("openapi.json describes the routes of the code", openapi.routes),
    ("openapi.json is sound in itself", openapi.sound),
)

if __name__ == "__main__":
    sys.exit(verdict.main(RULES, needs_build=True))
