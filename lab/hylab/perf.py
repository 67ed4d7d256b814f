# SPDX-License-Identifier: GPL-2.0-or-later
"""Cycles, instructions and stalls of processes, as `perf stat` counts them where it can.

    with Perf(pids) as perf:
        ...
    perf.counts     # {"cycles": 123, ...}: those that this processor has, none in most VMs
"""

import os
import shutil
import signal
import subprocess
import tempfile

EVENTS = ("cycles", "instructions", "stalled-cycles-frontend", "stalled-cycles-backend")
END_WITHIN_S = 10


def parse(text):
    """{event: count} of `perf stat -x,`; what was not counted or not supported is left out."""
    found = {}
    for line in text.splitlines():
        fields = line.split(",")
        if len(fields) > 2 and fields[0].isdigit():
            found[fields[2].partition(":")[0]] = int(fields[0])
    return found


class Perf:
    """Counts for as long as the `with` block lasts; without perf it counts nothing."""

    def __init__(self, pids):
        self._pids = sorted(pids)
        self._process = self._file = None
        self.counts = {}

    def __enter__(self):
        if shutil.which("perf") and self._pids:
            self._file = tempfile.NamedTemporaryFile(prefix="perf-")
            self._process = subprocess.Popen(
                ["perf", "stat", "-x,", "-e", ",".join(EVENTS), "-o", self._file.name, "-p",
                 ",".join(map(str, self._pids))], stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                env={**os.environ, "LC_ALL": "C"})
        return self

    def __exit__(self, *_):
        if not self._process:
            return
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(END_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        with self._file as file:
            self.counts = parse(file.read().decode(errors="replace"))
