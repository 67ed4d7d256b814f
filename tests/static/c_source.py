# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads C as far as the checks need it: comments, top-level declarations, functions.

No preprocessor: both sides of an #if are read. Macros that hold unbalanced braces would confuse
it, and have no place in the tree.
"""

import re
from typing import NamedTuple

_TOKEN = re.compile(r"""/\*.*?\*/ | //[^\n]* | "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])*'""",
                    re.DOTALL | re.VERBOSE)
_DIRECTIVE = re.compile(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", re.MULTILINE)
_ATTRIBUTE = re.compile(r"__attribute__\s*\(\(")
_NAME_BEFORE_PAREN = re.compile(r"([A-Za-z_]\w*)\s*\((?!\s*\*)")
_NAME_IN_PARENS = re.compile(r"\((\w+)\)(?=\s*\()")	# kept from macros: "ssize_t (read)(int fd)"
_SECTION = re.compile(r"\bSEC\s*\([^)]*\)")		# of BPF programs
_NOT_FUNCTIONS = {"_Static_assert", "static_assert"}


class Function(NamedTuple):
    """A function's definition or prototype."""

    name: str
    line: int		# of the first word, from 1
    end: int		# of the closing brace or semicolon
    static: bool	# no other file of the tree calls it: so are entry points of BPF programs
    defined: bool
    returns: str	# "int", "const char *", ...
    params: tuple	# names, without "void"; "..." for a variable part


def _blank(match):
    return re.sub(r"[^\n]", " ", match.group())


def without_comments(text):
    """The same text, line by line, with comments and literals made of spaces."""
    return _TOKEN.sub(_blank, text)


def code_only(text):
    """without_comments(), and without preprocessor lines."""
    return _DIRECTIVE.sub(_blank, without_comments(text))


def includes(text):
    """(line, "<" or '"', name) of every #include."""
    commentless = re.sub(r"/\*.*?\*/", _blank, text, flags=re.DOTALL)
    for number, line in enumerate(commentless.split("\n"), 1):
        found = re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line)
        if found:
            yield number, found.group(1), found.group(2)


def functions(text):
    """Every function of a file, in order, prototypes too."""
    code = code_only(text)
    start = 0
    depth = 0
    head = None		# where the body under way began, and what stood before it
    for match in re.finditer(r"[{};]", code):
        mark, at = match.group(), match.start()
        if mark == "{":
            if depth == 0:
                head = (start, at)
            depth += 1
            continue
        if mark == "}":
            depth -= 1
        if depth:
            continue
        if mark == ";":
            found = _function(code, start, at, at, defined=False)
        else:
            found = _function(code, head[0], head[1], at, defined=True)
        if found:
            yield found
        # "} name;" ends an aggregate: what follows the brace is no declaration of its own
        start = at + 1


def _function(code, start, head_end, end, defined):
    head = code[start:head_end]
    first = start + len(head) - len(head.lstrip())
    entry = _SECTION.search(head) is not None
    head = _SECTION.sub(_blank, _without_attributes(head))
    head = _NAME_IN_PARENS.sub(r" \1 ", head)
    match = _NAME_BEFORE_PAREN.search(head)
    before = head[:match.start()] if match else ""
    if not match or match.group(1) in _NOT_FUNCTIONS or not before.strip():
        return None
    if "=" in before or re.search(r"\btypedef\b", before) or "(" in before:
        return None
    return Function(match.group(1), code.count("\n", 0, first) + 1, code.count("\n", 0, end) + 1,
                    entry or re.search(r"\bstatic\b", before) is not None, defined,
                    " ".join(before.split()), _params(head, match.end()))


def _without_attributes(head):
    while True:
        match = _ATTRIBUTE.search(head)
        if not match:
            return head
        end = _closing(head, head.index("(", match.start()))
        head = head[:match.start()] + _blank_text(head[match.start():end + 1]) + head[end + 1:]


def _blank_text(text):
    return re.sub(r"[^\n]", " ", text)


def _closing(text, at):
    depth = 0
    for i in range(at, len(text)):
        depth += {"(": 1, ")": -1}.get(text[i], 0)
        if depth == 0:
            return i
    return len(text) - 1


def _params(head, at):
    inside = head[at:_closing(head, at - 1)]
    names = []
    depth = 0
    part = ""
    for char in inside + ",":
        depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(char, 0)
        if char == "," and depth == 0:
            names.append(_param_name(part))
            part = ""
        else:
            part += char
    return tuple(name for name in names if name)


def _param_name(part):
    part = part.strip()
    if part in ("", "void"):
        return None
    if part == "...":
        return part
    pointer = re.search(r"\(\s*\*\s*(?:const\s+)?(\w+)", part)
    if pointer:
        return pointer.group(1)
    return re.findall(r"\w+", re.sub(r"\[[^\]]*\]", "", part))[-1]


class Comment(NamedTuple):
    """A block comment and the lines it stands on."""

    text: str
    line: int
    end: int


def comments(text):
    """Every block comment of a file."""
    for match in _TOKEN.finditer(text):
        if match.group().startswith("/*"):
            line = text.count("\n", 0, match.start()) + 1
            yield Comment(match.group(), line, line + match.group().count("\n"))
