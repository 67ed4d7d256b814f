# SPDX-License-Identifier: GPL-2.0-or-later
"""What tests of moved connections work with: steps, who stops at them, a server by hand."""

import contextlib
import json
import os
import pathlib
import re
import select
import signal
import subprocess
import sys

from hylab import BUILD
from hylab.offload import LIBRARY
from hylab.wait import PATIENCE_S, wait_for

TWIN_DRIVER = BUILD / "tests/twin/twin-driver"
TABLE = pathlib.Path(__file__).resolve().parents[2] / "common" / "fault.h"
STEPS = re.findall(r'X\(\w+, "([^"]+)"', TABLE.read_text(encoding="utf-8"))
# Steps that a connection must be under way for; the others are of the channel alone.
MOVE_STEPS = [step for step in STEPS
              if step.split(".")[0] in ("move", "send", "up", "home", "resume", "pair", "give",
                                        "grow")]
# Steps of hylicsd, which test_hylicsd.py walks.
VM_STEPS = [step for step in STEPS if step.startswith("vm.")]
REPEATS = int(os.environ.get("HYLICS_REPEATS", "1"))
LONG = "HYLICS_LONG" in os.environ


def children(pid):
    """Process ids of the children of a process with one thread; none of one that is no more."""
    path = pathlib.Path(f"/proc/{pid}/task/{pid}/children")
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return [int(word) for word in path.read_text(encoding="ascii").split()]
    return []


def is_stopped(pid):
    """Whether a stop signal has taken hold; not of one that is no more."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
        return stat.rpartition(")")[2].split()[0] == "T"
    return False


class Ends:
    """Waits for the end of processes that are nobody's children here."""

    def __init__(self, pids):
        self._fds = [os.pidfd_open(pid) for pid in pids]

    @classmethod
    def of_children(cls, pid):
        """Those of a child of ours, which is stopped: it begets none and buries none any more."""
        os.kill(pid, signal.SIGSTOP)
        os.waitid(os.P_PID, pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
        return cls(children(pid))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for fd in self._fds:
            ended = select.select([fd], [], [], PATIENCE_S)[0]
            os.close(fd)
            assert ended, "a process does not end"


class Puppet:
    """A server in the guest that does what it is told, one order after another; see puppet.py."""

    script = "puppet.py"
    preload = ""

    def __init__(self, offload, node=None):
        environment = {**os.environ, **offload.environment, "HYLICS_LIBRARY": str(
            LIBRARY / "libhylics.so.0"), "LD_PRELOAD": self.preload}
        environment.pop("HYLICS_FAULT", None)
        script = pathlib.Path(__file__).with_name(self.script)
        self._process = subprocess.Popen(
            [*(node or offload.guest.node).prefix(), sys.executable, "-B", str(script)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, bufsize=0)
        self._said = b""
        self.port = self.answer()["port"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()

    @property
    def pid(self):
        """Its process id."""
        return self._process.pid

    def order(self, *words):
        """Begin something; answer() tells how it ended."""
        self._process.stdin.write((" ".join(map(str, words)) + "\n").encode())

    def answer(self):
        """Of the oldest order that has not been answered."""
        while b"\n" not in self._said:
            assert select.select([self._process.stdout], [], [], PATIENCE_S)[0], "no answer"
            piece = os.read(self._process.stdout.fileno(), 4096)
            assert piece, "the server is gone"
            self._said += piece
        line, _, self._said = self._said.partition(b"\n")
        return json.loads(line)

    def do(self, *words):
        """Carry out an order that must succeed; what it says."""
        self.order(*words)
        said = self.answer()
        assert said.get("errno", 0) == 0, (words, said)
        return said


def left_behind(net):
    """What is in the kernel that should not be there when all programs have ended."""
    found = [line for line in net.host.run(["ip", "-o", "link"]).stdout.splitlines()
             if "hytwin" in line]
    found += net.host.run([TWIN_DRIVER, "links"]).stdout.splitlines()
    for guest in net.guests:
        for hook in ("ingress", "egress"):
            found += net.host.run(["tc", "filter", "show", "dev", guest.interface, hook],
                                  check=False).stdout.splitlines()
    for guest in net.guests:
        if guest.node:
            found += [line for line in guest.node.run(["ss", "-Htan"]).stdout.splitlines()
                      if not line.startswith("TIME-WAIT")]
    return found
