# SPDX-License-Identifier: GPL-2.0-or-later
"""What every checker does with its rules: ask each for complaints, print TAP."""

import argparse
import pathlib
import sys
from typing import NamedTuple

from tree import NoCheckout, Tree

SHOWN_MAX = 200
HERE = pathlib.Path(__file__).resolve()


class Complaint(NamedTuple):
    """One place that breaks a rule; line 0: the file as a whole."""

    path: str
    line: int
    text: str

    def __str__(self):
        place = f"{self.path}:{self.line}" if self.line else self.path
        return f"{place}: {self.text}"


class Tap:
    """Prints test points and the plan behind them."""

    def __init__(self):
        self.points = 0
        self.failed = 0

    def point(self, name, complaints):
        """One test point; it fails if there is any complaint."""
        complaints = list(complaints)
        self.points += 1
        self.failed += bool(complaints)
        print(f"{'not ok' if complaints else 'ok'} {self.points} - {name}")
        for complaint in complaints[:SHOWN_MAX]:
            print(f"# {complaint}")
        if len(complaints) > SHOWN_MAX:
            print(f"# and {len(complaints) - SHOWN_MAX} more")
        sys.stdout.flush()

    def end(self):
        """Print the plan; the exit code."""
        print(f"1..{self.points}")
        return 1 if self.failed else 0


def arguments(needs_build=False):
    """The command line of every checker."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--root", type=pathlib.Path, default=HERE.parents[2],
                        help="the checkout to look at [the one this file is in]")
    if needs_build:
        parser.add_argument("--build", type=pathlib.Path, required=True,
                            help="a build folder of that checkout, everything built")
    return parser.parse_args()


def run(rules, *context):
    """Ask every (name, rule) with the context's values; the exit code."""
    tap = Tap()
    for name, rule in rules:
        tap.point(name, rule(*context))
    return tap.end()


def main(rules, needs_build=False):
    """A checker's main(): rules are called with a Tree, and a build folder if they need one."""
    args = arguments(needs_build)
    tree = Tree(args.root)
    try:
        _ = tree.files
    except NoCheckout as reason:
        print(f"1..0 # SKIP {reason}")
        return 0
    return run(rules, tree, args.build.resolve()) if needs_build else run(rules, tree)
