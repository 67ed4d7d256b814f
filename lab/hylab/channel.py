# SPDX-License-Identifier: GPL-2.0-or-later
"""The two ends of a channel as processes: an agent in a VM or on this machine, and workers."""

import json
import os
import pathlib
import signal
import subprocess
import tempfile
import threading

from hylab import BUILD, LabError, wall

UP = "channel up"
WORKER_TIMEOUT_S = 60
LINE_TIMEOUT_S = 30


def program(name):
    """Path of one of our programs."""
    path = BUILD / name / name
    if not os.access(path, os.X_OK):
        raise LabError(f"{path}: not there; build it first with 'make'")
    return str(path)


class Process:
    """A daemon of ours whose log can be waited on; killed at the end of the `with` block."""

    def __init__(self, argv, fault=None):
        environment = dict(os.environ)
        environment.pop("HYLICS_FAULT", None)
        if fault:
            environment["HYLICS_FAULT"] = fault
        self.log = []
        self._process = subprocess.Popen(argv, stderr=subprocess.PIPE, stdout=subprocess.PIPE,
                                         text=True, env=environment)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait()
        self._process.stderr.close()
        self._process.stdout.close()

    @property
    def pid(self):
        """Its process id."""
        return self._process.pid

    def alive(self):
        """Whether it runs."""
        return self._process.poll() is None

    def wait_line(self, text):
        """Read its log up to a line with this text; one that stays silent is killed."""
        limit = threading.Timer(LINE_TIMEOUT_S, self._process.kill)
        limit.start()
        try:
            for line in self._process.stderr:
                self.log.append(line.rstrip("\n"))
                if text in line:
                    return line
        finally:
            limit.cancel()
        raise LabError(f"'{text}' never came; the log was:\n  " + "\n  ".join(self.log))

    def wait_output(self, text):
        """The same for the next line of its standard output."""
        line = self._process.stdout.readline()
        if text not in line:
            raise LabError(f"'{text}' did not come, but '{line.strip()}'; standard error: "
                           f"{self._process.stderr.readline().strip()}")
        return line

    def kill(self, signo=signal.SIGKILL):
        """Send a signal."""
        self._process.send_signal(signo)

    def wait_end(self, timeout_s=WORKER_TIMEOUT_S):
        """Its exit code; minus the signal if one ended it. TimeoutExpired if it lives longer."""
        return self._process.wait(timeout_s)

    def wait_stopped(self):
        """Wait until a stop signal has taken hold."""
        _, status = os.waitpid(self.pid, os.WUNTRACED)
        if not os.WIFSTOPPED(status):
            raise LabError(f"process {self.pid} ended instead of stopping")


def agent(address, run_dir, *options, fault=None):
    """An agent on this machine: a guest that is a namespace, or nothing at all."""
    return Process([program("hylics-agent"), "--channel", address, "--run-dir", str(run_dir),
                    *options], fault)


def worker(address, *options, fault=None):
    """A worker that serves until it is stopped."""
    return Process([program("hylics-worker"), "--channel", address, *options], fault)


def measure(address, pings, *options, timeout_ms=WORKER_TIMEOUT_S * 1000):
    """Let a worker measure round trips; what it printed."""
    argv = [program("hylics-worker"), "--channel", address, "--ping", str(pings), "--timeout",
            f"{timeout_ms}ms", *options]
    done = subprocess.run(argv, capture_output=True, text=True, check=False,
                          timeout=WORKER_TIMEOUT_S + 10)
    if done.returncode:
        raise LabError(f"hylics-worker failed: {done.stderr.strip()}")
    return json.loads(done.stdout)


def status(run_dir):
    """What the agent says of itself."""
    done = subprocess.run([program("hylics-guest"), "status", "--json", "--run-dir", str(run_dir)],
                          capture_output=True, text=True, check=False, timeout=30)
    if done.returncode:
        raise LabError(f"hylics-guest status: {done.stderr.strip()}")
    return json.loads(done.stdout)


def socket_path(name="channel.sock"):
    """A fresh place for a socket, short enough for its name to fit an address."""
    return pathlib.Path(tempfile.mkdtemp(prefix="chan-", dir=wall.RUN)) / name
