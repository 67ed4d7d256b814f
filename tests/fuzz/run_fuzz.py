# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs every libFuzzer target of a build for a while, on a copy of its corpus; prints TAP."""

import argparse
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
CORPUS = HERE / "corpus"
# Longer inputs cost speed and find no more: fuzz_frame repeats its own.
INPUT_MAX = {"frame": 1024}
INPUT_MAX_ELSE = 4096
INPUT_TIMEOUT_S = 10
GRACE_S = 60  # to load the corpus and to end, on a busy machine
LOG_LINES = 40


def targets(build):
    """The fuzz programs of a build folder, sorted."""
    found = (build / "tests" / "fuzz").glob("fuzz_*")
    return sorted(path for path in found if path.is_file() and path.suffix == "")


def is_fuzzer(program):
    """Whether the program was linked with libFuzzer, not with standalone.c."""
    done = subprocess.run([program, "-help=1"], capture_output=True, text=True, timeout=GRACE_S,
                          check=False)
    return "libFuzzer" in done.stdout + done.stderr


def fuzz(program, seconds, faults):
    """One time-boxed run; (succeeded, executions, executions per second, output)."""
    name = program.name.removeprefix("fuzz_")
    with tempfile.TemporaryDirectory(prefix="fuzz-", dir=faults.parent) as folder:
        copy = pathlib.Path(folder) / "corpus"
        shutil.copytree(CORPUS / name, copy)
        longest = INPUT_MAX.get(name, INPUT_MAX_ELSE)
        command = [program, f"-max_total_time={seconds}", f"-max_len={longest}",
                   f"-timeout={INPUT_TIMEOUT_S}", "-print_final_stats=1",
                   f"-artifact_prefix={faults}/{name}-", copy]
        try:
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                  cwd=folder, timeout=seconds + GRACE_S, check=False)
        except subprocess.TimeoutExpired as late:
            output = (late.stdout or b"").decode(errors="replace")
            return False, 0, 0, f"{output}\nno end {GRACE_S} s after its time"
    output = done.stdout.decode(errors="replace")
    return done.returncode == 0, *figures(output), output


def figures(output):
    """Executions, and executions per second, as libFuzzer counted them."""
    def figure(name):
        match = re.search(rf"^stat::{name}:\s*(\d+)", output, re.MULTILINE)
        return int(match.group(1)) if match else 0
    return figure("number_of_executed_units"), figure("average_exec_per_sec")


def report(number, program, result, faults):
    """Print the test point of one target; whether it is a good one."""
    succeeded, executions, rate, output = result
    good = succeeded and executions > 0
    print(f"{'ok' if good else 'not ok'} {number} - {program.name} finds nothing")
    print(f"# {program.name}: {rate} executions/s, {executions} in all", flush=True)
    if not good:
        for line in output.splitlines()[-LOG_LINES:]:
            print(f"# {line}")
        print(f"# the input is in {faults}; again: {shlex.quote(str(program))} INPUT", flush=True)
    return good


def main():
    """Fuzz all targets, one after the other; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("build", type=pathlib.Path, help="a build folder made with -Dfuzzer=true")
    parser.add_argument("--seconds", type=int, default=10, help="per target [10]")
    args = parser.parse_args()
    build = args.build.resolve()
    programs = targets(build)
    if not programs or not all(map(is_fuzzer, programs)):
        print(f"1..1\nnot ok 1 - {build} has fuzz targets: configure it with -Dfuzzer=true")
        return 2
    faults = build / "fuzz-faults"
    faults.mkdir(exist_ok=True)
    print(f"1..{len(programs)}", flush=True)
    good = [report(number, program, fuzz(program, args.seconds, faults), faults)
            for number, program in enumerate(programs, 1)]
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
