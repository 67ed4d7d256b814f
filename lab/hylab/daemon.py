# SPDX-License-Identifier: GPL-2.0-or-later
"""A hylicsd of the lab's own, and the hylics command that asks it."""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

from hylab import LabError, hylics_program, wall
from hylab.channel import program

ANSWER_S = 30
END_S = 60
LOOK_S = 0.01
ERROR_LINES = 8


class Daemon:
    """Started on entering, in a node's network namespace; takes its VMs along when it ends."""

    def __init__(self, node=None):
        self._prefix = node.prefix() if node else []
        self._closing = contextlib.ExitStack()
        self._process = self._directory = None

    def __enter__(self):
        # a socket's path has 107 bytes
        self._directory = pathlib.Path(tempfile.mkdtemp(prefix="d", dir=wall.RUN))
        self._closing.callback(shutil.rmtree, self._directory, ignore_errors=True)
        try:
            self._start()
        except BaseException:
            self._closing.close()
            raise
        return self

    def __exit__(self, *_):
        self._closing.close()

    @property
    def run_dir(self):
        """Its run directory."""
        return self._directory / "run"

    def ask(self, *words):
        """`hylics WORDS`, which has to succeed; what it prints."""
        done = self._hylics(*words)
        if done.returncode:
            raise LabError(f"hylics {' '.join(words)}: {done.stderr.strip()}")
        return done.stdout

    def vm(self, name):
        """What it has for a VM."""
        return json.loads(self.ask("vm", "show", name, "--json"))

    def worker_counts(self, name):
        """What the VM's worker counts; {} while it has written nothing whole."""
        try:
            return json.loads((self.run_dir / "vm" / name / "worker.json").read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            return {}

    def _hylics(self, *words):
        return subprocess.run([hylics_program(), *words, f"--run-dir={self.run_dir}"],
                              capture_output=True, text=True, check=False, timeout=ANSWER_S)

    def _start(self):
        libexec, records = self._directory / "libexec", self._directory / "vms"
        for place in (libexec, records):
            place.mkdir()
        for name in ("hylics-keeper", "hylics-worker"):
            (libexec / name).symlink_to(program(name))
        group = os.environ[wall.CGROUP_VARIABLE].lstrip("/") + "/" + self._directory.name
        with open(self._directory / "log", "wb") as log:
            self._process = subprocess.Popen(
                [*self._prefix, program("hylicsd"), f"--run-dir={self.run_dir}",
                 f"--vms-dir={records}", f"--state-dir={self._directory}", "--group=root",
                 f"--libexec-dir={libexec}", f"--cgroup={group}"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self._closing.callback(self._end)
        self._wait_for_answer()

    def _wait_for_answer(self):
        end = time.monotonic() + ANSWER_S
        while self._hylics("status").returncode:
            if self._process.poll() is not None or time.monotonic() > end:
                said = (self._directory / "log").read_text(errors="replace").splitlines()
                raise LabError("hylicsd does not answer:\n  " + "\n  ".join(said[-ERROR_LINES:]))
            time.sleep(LOOK_S)

    def _end(self):
        self._process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(END_S)
        self._process.kill()
        self._process.wait()
