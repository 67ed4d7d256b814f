# SPDX-License-Identifier: GPL-2.0-or-later
"""The directory a VM and the host exchange jobs through: build/lab/run/NAME-XXXX, gone at close.

The guest sees it over 9p without a cache, so what it writes is in the file when it says so on the
console. A directory whose user was killed has an unlocked lock file; the next user removes it.
"""

import contextlib
import fcntl
import os
import pathlib
import shutil
import tempfile

from hylab import WORK
from hylab.lock import locked

PLACE = WORK / "run"
GUEST_DIRECTORY = "/run/hylab"


class Exchange:
    """One VM's directory, locked while this process lives."""

    def __init__(self, name, place=PLACE):
        place.mkdir(parents=True, exist_ok=True)
        with locked(place / ".lock"):
            _sweep(place)
            self.directory = pathlib.Path(tempfile.mkdtemp(prefix=f"{name}-", dir=place))
            self._lock = open(self.directory / ".lock", "w", encoding="ascii")
            fcntl.flock(self._lock, fcntl.LOCK_EX)
        self._jobs = 0

    def new_job(self, script):
        """Write a job's script; the number to tell the guest."""
        self._jobs += 1
        directory = self.directory / str(self._jobs)
        directory.mkdir()
        (directory / "command").write_text(script)
        return self._jobs

    @property
    def ready(self):
        """Whether the guest takes jobs."""
        return (self.directory / "ready").exists()

    def exit_code(self, job):
        """A job's exit code, None while it runs. The line's end tells that all is written."""
        try:
            text = (self.directory / str(job) / "exit").read_text()
        except FileNotFoundError:
            return None
        return int(text) if text.endswith("\n") else None

    def output(self, job, stream):
        """What a job has written so far to stdout or stderr."""
        try:
            data = (self.directory / str(job) / stream).read_bytes()
        except FileNotFoundError:
            return ""
        return data.decode(errors="replace")

    def close(self):
        """Remove the directory."""
        shutil.rmtree(self.directory, ignore_errors=True)
        self._lock.close()


def _sweep(place):
    for lock in place.glob("*/.lock"):
        with contextlib.suppress(OSError):
            file = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(lock.parent, ignore_errors=True)
            finally:
                os.close(file)
