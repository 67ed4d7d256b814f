# SPDX-License-Identifier: GPL-2.0-or-later
"""The closing line of ./check, and what it tells of a test that failed."""

import json
import pathlib
import subprocess
import sys
import tempfile

SUMMARY = pathlib.Path(__file__).resolve().parents[1] / "summary.py"
GOOD = {"name": "good", "result": "OK", "stdout": "ok 1 - a\nok 2 - b # SKIP no tool\n1..2\n"}
BAD = {"name": "bad", "result": "FAIL",
       "stdout": "ok 1 - a\n# 2.0 s\nnot ok 2 - b\n# wrong at 7\nok 3 - c\n# 1.0 s\n1..3\n"}
DEAD = {"name": "dead", "result": "ERROR", "stdout": "ok 1 - a\n"}


def summary(*results):
    """Its exit status and its lines, for a log with these results."""
    with tempfile.TemporaryDirectory() as build:
        log = pathlib.Path(build) / "meson-logs" / "testlog.json"
        log.parent.mkdir()
        log.write_text("".join(json.dumps(result) + "\n" for result in results), encoding="utf-8")
        done = subprocess.run([sys.executable, "-B", SUMMARY, build], capture_output=True,
                              text=True, check=False)
        return done.returncode, [line.strip() for line in done.stdout.splitlines()]


def main():
    checks = {
        "good results and what was skipped": summary(GOOD) == (
            0, ["skipped: good: SKIP no tool", "1 passed, 0 failed, 1 skipped"]),
        "a failed point is shown with its diagnostics, and no other's": [
            line for line in summary(GOOD, BAD)[1] if not line.startswith("failed:")] == [
                "skipped: good: SKIP no tool", "not ok 2 - b", "# wrong at 7",
                "3 passed, 1 failed, 1 skipped"],
        "a failed point makes it fail": summary(GOOD, BAD)[0] == 1,
        "a program that died makes it fail": summary(DEAD)[0] == 1,
        "no test at all makes it fail": summary()[0] == 1,
    }
    for number, (name, good) in enumerate(checks.items(), 1):
        print(f"{'ok' if good else 'not ok'} {number} - {name}")
    print(f"1..{len(checks)}")
    return 0 if all(checks.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
