# SPDX-License-Identifier: GPL-2.0-or-later
"""The system calls a sealed program may make: a C table of the notes in its sources.

A note is a comment of its own beside the code that makes the calls once the program is sealed:

    /* syscalls: epoll_ctl, fcntl(_, F_GETFL), mmap(_, _, !PROT_EXEC), socket(AF_UNIX, 1/0xf) */
    /* syscalls of hylics-agent: poll */

The second form holds for that program alone. An argument is any (_ or left out), a value, a value
under a mask (VALUE/MASK), or the bits it must not have (!BITS). What no note names is not allowed.
"""

import argparse
import pathlib
import re
import subprocess
import sys
import tempfile
from typing import NamedTuple

NOTE = re.compile(r"/\*[\s*]*syscalls(?: of (?P<program>[\w-]+))?:(?P<calls>.*?)\*/", re.DOTALL)
NOTE_LIKE = re.compile(r"\bsyscalls(?: of [\w-]+)?\s*:")
CALL = re.compile(r"\s*(?P<name>[a-z_]\w*)\s*(?:\((?P<args>[^()]*)\))?\s*(?:,|$)")
VALUE = re.compile(r"\w+")
MEMBER = re.compile(r"(?P<folder>\S+)/lib\w+\.a(?:\.p/|\()(?P<file>\w+\.c)\.o\)?")
ARGS_MAX = 3			# common/sandbox.h has room for so many
HEADERS = ("linux/sockios.h", "netinet/in.h", "netinet/tcp.h", "signal.h", "sys/ioctl.h",
           "sys/mman.h", "sys/socket.h", "sys/time.h", "fcntl.h", "linux/vm_sockets.h")


class Wrong(Exception):
    """A note, or what the linker says, that cannot be understood."""


class Note(NamedTuple):
    """One call of a note."""

    name: str
    args: tuple			# C expressions for (number, mask, value)
    place: str			# "folder/file.c:line"


def built_in(text, defined, undefined):
    """The text, line by line, without what #ifdef and #ifndef of the given names leave out."""
    kept, stack = [], []
    for line in text.split("\n"):
        words = re.match(r"\s*#\s*(\w+)\s*(\w*)", line)
        word, name = words.groups() if words else ("", "")
        if word in ("if", "ifdef", "ifndef"):
            known = word != "if" and name in defined | undefined
            stack.append((name in defined) == (word == "ifdef") if known else None)
        elif word in ("else", "elif") and stack:
            stack[-1] = None if stack[-1] is None else not stack[-1]
        elif word == "endif" and stack:
            stack.pop()
        kept.append("" if False in stack else line)
    return "\n".join(kept)


def argument(number, text):
    """(number, mask, value) of an argument's note; None: it may be anything."""
    if text in ("", "_"):
        return None
    if text.startswith("!"):
        value, mask, text = "0", text[1:].strip(), text[1:].strip()
    else:
        value, _, mask = (part.strip() for part in text.partition("/"))
        mask, text = mask or "UINT32_MAX", value
    if not VALUE.fullmatch(mask) or not VALUE.fullmatch(text):
        raise Wrong(f"'{text}' is no argument: want _, VALUE, VALUE/MASK or !BITS")
    return number, mask, value


def calls(text):
    """(name, arguments) of each call in a note, which is a list and nothing else."""
    text = re.sub(r"\n\s*\*", "\n", text).strip()
    at = 0
    while at < len(text):
        found = CALL.match(text, at)
        if not found or found.end() == at:
            raise Wrong(f"'{text[at:at + 30]}' is no list of calls")
        given = (found["args"] or "").split(",")
        args = tuple(filter(None, (argument(i, a.strip()) for i, a in enumerate(given))))
        if len(args) > ARGS_MAX:
            raise Wrong(f"{found['name']}: more than {ARGS_MAX} arguments")
        yield found["name"], args
        at = found.end()


def notes(text, path, program):
    """Every Note that a source has for the program."""
    if len(NOTE.findall(text)) != len(NOTE_LIKE.findall(text)):
        raise Wrong(f"{path}: a note of system calls is a comment of its own")
    for found in NOTE.finditer(text):
        line = text.count("\n", 0, found.start()) + 1
        if found["program"] not in (None, program):
            continue
        try:
            for name, args in calls(found["calls"]):
                yield Note(name, args, f"{path}:{line}")
        except Wrong as reason:
            raise Wrong(f"{path}:{line}: note of system calls: {reason}") from None


def linked(linker, inputs):
    """Sources the program is made of, as the linker takes them out of its libraries."""
    with tempfile.TemporaryDirectory() as place:
        command = [linker, "-r", "--trace", "-u", "main", "-o", f"{place}/all.o", "--start-group",
                   *inputs, "--end-group"]
        said = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    found = {f"{member['folder']}/{member['file']}" for member in MEMBER.finditer(said.stdout)}
    if not any(path.endswith("/main.c") for path in found):
        raise Wrong(f"'{linker} --trace' names no main.c: {said.stdout[:200]}")
    return sorted(found)


def merged(all_notes):
    """{(name, arguments): places}; a call is noted with arguments or without, not both."""
    table = {}
    for note in all_notes:
        table.setdefault((note.name, note.args), []).append(note.place)
    bare = {name: places for (name, args), places in table.items() if not args}
    for (name, args), places in table.items():
        if args and name in bare:
            raise Wrong(f"{bare[name][0]}: {name} without arguments makes {places[0]} void")
    return table


def c_table(program, table):
    """The text of the C file."""
    lines = ["/* SPDX-License-Identifier: GPL-2.0-or-later */",
             f"/* System calls of {program}: the notes of its sources, by generated/syscalls.py */"]
    lines += [f"#include <{header}>" for header in HEADERS]
    lines += ["", '#include "common/sandbox.h"', "", "const struct hy_syscall hy_syscalls[] = {"]
    for (name, args), places in sorted(table.items()):
        lines += [f"\t/* {place} */" for place in places]
        inside = ", ".join(f"{{ {i}, {mask}, {value} }}" for i, mask, value in args)
        inside = f', .n = {len(args)}, .arg = {{ {inside} }}' if args else ""
        lines.append(f'\t{{ .name = "{name}"{inside} }},')
    return "\n".join([*lines, "\t{ .name = NULL },", "};", ""])


def main():
    """The build's command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--root", type=pathlib.Path, required=True)
    parser.add_argument("--program", required=True)
    parser.add_argument("--linker", required=True)
    parser.add_argument("--defined", action="append", default=[])
    parser.add_argument("--undefined", action="append", default=[])
    parser.add_argument("--output", type=pathlib.Path, required=True)
    parser.add_argument("inputs", nargs="+")
    args = parser.parse_args()
    try:
        found = []
        for path in linked(args.linker, args.inputs):
            text = (args.root / path).read_text(encoding="utf-8")
            text = built_in(text, set(args.defined), set(args.undefined))
            found += notes(text, path, args.program)
        args.output.write_text(c_table(args.program, merged(found)), encoding="utf-8")
    except Wrong as reason:
        print(f"syscalls.py: {args.program}: {reason}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
