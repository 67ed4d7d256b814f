# SPDX-License-Identifier: GPL-2.0-or-later
"""Words that have no place in the tree: the machine it was written on, and how it was written.

A pattern is written so that it does not match itself.
"""

import re
import sys

import verdict
from verdict import Complaint

FORBIDDEN = (
    ("paths of the place where it was written", r"/w[o]rk/|/h[o]me/\w|/r[o]ot/\.|/Use[r]s/"),
    ("names of the place where it was written", r"\.l[i]brary\b|\bpyen[v]\b"),
    ("numbers of a tracker", r"\b[i]ssues? (?:no\. ?|#)?\d+\b|\(#\d+\)"),
    ("how it was written", r"\bA[I]\b|\bL[L]M\b|\blanguage m[o]del|\bchat[b]ot"),
    ("praise", r"\bb[l]azing|\bs[e]amless|\bc[u]tting[- ]edge|\bstate[- ]of[- ]the[- ][a]rt"
               r"|\br[o]bust|\bp[o]werful\b|\be[f]fortless|\bw[o]rld[- ]class"),
)
# Not ours to word.
VERBATIM = ("LICENSES/",)


def _texts(tree):
    for path in tree.files:
        data = (tree.root / path).read_bytes()
        if b"\0" not in data[:4096] and not path.startswith(VERBATIM):
            yield path


def _rule(pattern):
    form = re.compile(pattern)

    def rule(tree):
        for path in _texts(tree):
            for number, line in tree.lines(path):
                found = form.search(line)
                if found:
                    yield Complaint(path, number, f"'{found.group()}'")
    return rule


RULES = tuple((f"the tree is free of {what}", _rule(pattern)) for what, pattern in FORBIDDEN)

if __name__ == "__main__":
    sys.exit(verdict.main(RULES))
