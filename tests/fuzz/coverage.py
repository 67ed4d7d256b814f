# SPDX-License-Identifier: GPL-2.0-or-later
"""Line coverage of the decoders by fuzz targets and corpus alone; prints TAP."""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
TARGETS = ("frame", "msg", "move", "local", "record", "segment")
DECODERS = ("proto/cast", "proto/frame", "proto/frame_rx", "proto/assemble", "proto/msg",
            "proto/move", "proto/reason", "proto/report", "proto/job", "proto/local",
            "proto/module_ask", "proto/modules", "proto/option", "proto/why", "tcpmove/record",
            "tcpmove/segment")
# what they need and is not measured here
BESIDE = ("common/cursor.c", "common/name.c", "common/pacing.c", "common/printable.c")
WANTED_PERCENT = 95.0
LIMIT_S = 60


def run(folder, *command):
    """A command that must succeed, in the folder; its output."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=LIMIT_S,
                          check=False)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return done.stdout


def compile_one(folder, source, *flags):
    """Compile a file of the tree; the object's name in the folder."""
    name = source.replace("/", "-").removesuffix(".c") + ".o"
    run(folder, "gcc", "-std=gnu11", "-O0", "-g", "-D_GNU_SOURCE", f"-I{ROOT}", *flags, "-c",
        ROOT / source, "-o", name)
    return name


def build(folder):
    """All targets, which share the measured objects, so that their counts add up."""
    shared = [compile_one(folder, f"{name}.c", "--coverage") for name in DECODERS]
    shared += [compile_one(folder, source) for source in BESIDE]
    shared.append(compile_one(folder, "tests/fuzz/standalone.c"))
    for name in TARGETS:
        own = compile_one(folder, f"tests/fuzz/fuzz_{name}.c")
        run(folder, "gcc", "--coverage", own, *shared, "-o", f"fuzz_{name}")


def lines_of(folder, name):
    """{line number: times reached} of one measured file."""
    out = run(folder, "gcov", "--json-format", "--stdout", f"{name.replace('/', '-')}.o")
    for entry in json.loads(out)["files"]:
        if entry["file"].endswith(f"{name}.c"):
            return {line["line_number"]: line["count"] for line in entry["lines"]}
    sys.exit(f"gcov says nothing of {name}.c")


def report(number, name, lines):
    """Print the test point of one file; whether it is a good one."""
    missed = [line for line, count in lines.items() if count == 0]
    percent = 100 * (len(lines) - len(missed)) / len(lines)
    good = percent >= WANTED_PERCENT
    print(f"{'ok' if good else 'not ok'} {number} - {name}.c: the corpus reaches "
          f"{WANTED_PERCENT:.0f} % of its lines")
    print(f"# {name}.c: {percent:.1f} % of {len(lines)} lines")
    if missed:
        print(f"# not reached: {', '.join(map(str, missed))}")
    return good


def main():
    """Build, run, measure; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=pathlib.Path,
                        help="where to make the temporary folder [the system's place for them]")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="coverage-", dir=args.build) as folder:
        build(folder)
        for name in TARGETS:
            run(folder, f"./fuzz_{name}", HERE / "corpus" / name)
        print(f"1..{len(DECODERS)}")
        good = [report(number, name, lines_of(folder, name))
                for number, name in enumerate(DECODERS, 1)]
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
