# SPDX-License-Identifier: GPL-2.0-or-later
"""What a formatter would not mend: lengths, white space, names, promises to finish later."""

import ast
import pathlib
import re
import sys

import c_source
import verdict
from verdict import Complaint

CODE = ("c", "python", "shell", "meson")
COLUMNS_MAX = 100
TAB = 8
FUNCTION_LINES_MAX = 80
FILE_LINES_MAX = 700
VAGUE_NAMES = {"util", "utils", "misc", "helper", "helpers"}
TAP_WORDS = re.compile(r"\bSKIP\b|\bnot ok\b")	# TAP has a directive of that name
LATER = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X)\b")
INDENTS = {
    "c": (re.compile(r"\t* {0,7}(?=\S)"), "tabs (8 columns); spaces only to align the rest"),
    "shell": (re.compile(r"\t* {0,7}(?=\S)"), "tabs (8 columns)"),
    "meson": (re.compile(r"\t*(?=\S)"), "tabs"),
    "python": (re.compile(r" *(?=\S)"), "spaces"),
}


def columns(tree):
    """No line of code is wider than a page."""
    for path in tree.of_kind(*CODE):
        for number, line in tree.lines(path):
            width = len(line.expandtabs(TAB))
            if width > COLUMNS_MAX:
                yield Complaint(path, number, f"{width} columns, at most {COLUMNS_MAX}")


def indentation(tree):
    """C, shell and meson are indented with tabs, Python with spaces."""
    for path in tree.of_kind(*INDENTS):
        form, words = INDENTS[tree.kind(path)]
        for number, line in _indented_lines(tree, path):
            if line.strip() and not form.match(line):
                yield Complaint(path, number, f"indent with {words}")


def _indented_lines(tree, path):
    """Lines that begin in code: what is inside a Python string or a here-document is its own."""
    inside = _python_strings(tree.text(path)) if tree.kind(path) == "python" else set()
    end = None
    for number, line in tree.lines(path):
        if end is not None:
            end = None if line.strip() == end else end
            continue
        if tree.kind(path) == "shell":
            here = re.search(r"<<-?\s*[\\'\"]?(\w+)", line)
            end = here.group(1) if here else None
        if number not in inside:
            yield number, line


def _python_strings(text):
    """Numbers of the lines that begin within a string of several lines."""
    lines = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.Constant, ast.JoinedStr)) and node.end_lineno > node.lineno:
            lines.update(range(node.lineno + 1, node.end_lineno + 1))
    return lines


def white_space(tree):
    """No blanks at the end of a line; files end with one newline."""
    for path in tree.of_kind(*CODE, "markdown", "man"):
        for number, line in tree.lines(path):
            if line != line.rstrip():
                yield Complaint(path, number, "white space at the end of the line")
        text = tree.text(path)
        if text and (not text.endswith("\n") or text.endswith("\n\n")):
            yield Complaint(path, 0, "want exactly one newline at the end of the file")


def function_length(tree):
    """No function is longer than a person keeps in mind."""
    for path in tree.of_kind("c", "python"):
        for name, line, lines in _functions(tree, path):
            if lines > FUNCTION_LINES_MAX:
                yield Complaint(path, line, f"{name}() has {lines} lines, at most "
                                f"{FUNCTION_LINES_MAX}")


def _functions(tree, path):
    """(name, line, length) of every function a file defines."""
    if tree.kind(path) == "c":
        for function in c_source.functions(tree.text(path)):
            yield function.name, function.line, function.end - function.line + 1
        return
    for node in ast.walk(ast.parse(tree.text(path))):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node.name, node.lineno, node.end_lineno - node.lineno + 1


def file_length(tree):
    """No file of code is longer than a room should be."""
    for path in tree.of_kind(*CODE):
        lines = tree.text(path).count("\n")
        if lines > FILE_LINES_MAX:
            yield Complaint(path, 0, f"{lines} lines, at most {FILE_LINES_MAX}")


def names(tree):
    """No file or folder has a name under which anything could be put."""
    for path in tree.files:
        for part in pathlib.PurePosixPath(path).parts:
            if VAGUE_NAMES & set(re.split(r"[^a-z]+", part.lower())):
                yield Complaint(path, 0, f"'{part}' says nothing: name it after what it does")


def later(tree):
    """Nothing is left for later in the code or its documentation."""
    for path in tree.of_kind(*CODE, "markdown", "man"):
        for number, line in tree.lines(path):
            if LATER.search(line) and not TAP_WORDS.search(line):
                yield Complaint(path, number, f"'{LATER.search(line).group()}': do it, or say in "
                                "docs/spec.md that it is pending")


RULES = (
    ("lines have at most 100 columns", columns),
    ("indentation", indentation),
    ("no stray white space", white_space),
    ("functions have at most 80 lines", function_length),
    ("files have at most 700 lines", file_length),
    ("names of files say what is in them", names),
    ("nothing is left for later", later),
)

if __name__ == "__main__":
    sys.exit(verdict.main(RULES))
