# SPDX-License-Identifier: GPL-2.0-or-later
"""Counts single tests in the logs of `meson test` and prints the closing line of ./check."""

import json
import pathlib
import re
import sys

SHOWN_LINES = 60      # of one failed test: a log that is kept elsewhere may be out of reach
POINT = re.compile(r"^(not )?ok\b[^#\n]*(#\s*(SKIP|TODO)\b.*)?$", re.I | re.M)


def count_points(text):
    """TAP test points of one program: passed, failed, skipped, and the reasons of the skipped."""
    passed = failed = 0
    reasons = []
    for bad, directive, _ in POINT.findall(text):
        if directive:
            reasons.append(directive.lstrip("# ").strip())
        elif bad:
            failed += 1
        else:
            passed += 1
    return passed, failed, reasons


def read_log(build):
    """Results of one `meson test`; none where it did not run."""
    path = pathlib.Path(build) / "meson-logs" / "testlog.json"
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def tally(result):
    """Counts of one program; one that failed as a whole has failed at least once."""
    passed, failed, reasons = count_points(result.get("stdout", ""))
    if result["result"] not in ("OK", "SKIP") and failed == 0:
        failed = 1
    if result["result"] == "SKIP" and not reasons:
        reasons = ["no reason given"]
    if result["result"] == "OK" and not passed and not reasons:
        passed = 1
    return passed, failed, reasons


def explain(text):
    """The failed points of a program, each with its first lines of diagnostics."""
    shown = None
    for line in text.splitlines():
        if line.startswith("not ok") and "# TODO" not in line:
            shown = 0
        elif not line.startswith("#"):
            shown = None
        if shown is not None and shown < SHOWN_LINES:
            shown += 1
            yield line


def main(builds):
    passed = failed = skipped = 0
    for build in builds:
        for result in read_log(build):
            good, bad, reasons = tally(result)
            passed, failed, skipped = passed + good, failed + bad, skipped + len(reasons)
            for reason in reasons:
                print(f"skipped: {result['name']}: {reason}")
            if bad:
                print(f"failed: {result['name']} ({bad}), see {build}/meson-logs/testlog.txt")
                for line in explain(result.get("stdout", "")):
                    print(f"    {line}")
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
