# SPDX-License-Identifier: GPL-2.0-or-later
"""Socket offload with a guest that is a VM: the agent and the servers run in it.

    with Machine() as machine:
        with OffloadVm(machine) as offload:
            offload.serve(8080, offload.file("body", 1 << 20))
            ...

One boot serves many offloads, one after the other. The share is a tmpfs of the host that the guest
sees through virtiofs and, below another name, over 9p.
"""

import contextlib
import json
import pathlib
import shlex
import signal
import subprocess
import tempfile
import time

from hylab import LabError, wall
from hylab.channel import program, socket_path
from hylab.net import Net
from hylab.offload import Offload, guest_mac
from hylab.vm import Share, Spec, Vm

PATIENCE_S = 120            # for what takes milliseconds in a VM that is not emulated
LOOK_S = 0.01
SHARES = {"virtiofs": "/hylics", "9p": "/hylics-9p"}
_CACHES = {"virtiofs": "auto", "9p": "mmap"}    # both see at open() what the host wrote


class Job:
    """A program in the guest, handled as channel.Process is; ended with the `with` block."""

    def __init__(self, vm, argv, fault=None):
        self._vm = vm
        self._read = 0      # bytes of its log that were looked at
        script = f'echo $$ > "${{0%/*}}/pid"; exec {shlex.join(map(str, argv))}'
        self._job = vm.spawn(script, {"HYLICS_FAULT": fault} if fault else None)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait_end(PATIENCE_S)

    @property
    def pid(self):
        """Its process id in the guest."""
        file = self._vm.exchange_directory / str(self._job) / "pid"
        self._wait(lambda: file.exists() and file.read_text().endswith("\n"), "its process id")
        return int(file.read_text())

    @property
    def log(self):
        """The lines of its standard error."""
        return self._vm.output(self._job, "stderr").splitlines()

    @property
    def output(self):
        """Its standard output so far."""
        return self._vm.output(self._job)

    def alive(self):
        """Whether it runs."""
        return self._vm.exit_code(self._job) is None

    def wait_line(self, text):
        """Wait for a line with this text in its log, behind the last one that was waited for."""
        return self._wait(lambda: self._next_line(text), f"'{text}'")

    def wait_output(self, text):
        """Wait for a text on its standard output."""
        self._wait(lambda: text in self._vm.output(self._job), f"'{text}'")

    def kill(self, signo=signal.SIGKILL):
        """Send a signal; nothing if it has ended."""
        if self.alive():
            self._vm.run(f"kill -{int(signo)} {self.pid}; true", PATIENCE_S)

    def kill_children(self):
        """kill -9 its children."""
        self._vm.run(f"kill -9 $(cat /proc/{self.pid}/task/{self.pid}/children)", PATIENCE_S)

    def wait_end(self, timeout_s=PATIENCE_S):
        """Its exit code as a shell tells it. TimeoutExpired if it lives longer."""
        return self._vm.wait(self._job, timeout_s).code

    def _next_line(self, text):
        log = self._vm.output(self._job, "stderr")
        at = log.find(text, self._read)
        end = log.find("\n", at)
        if at < 0 or end < 0:
            return None
        self._read = end + 1
        return log[log.rfind("\n", 0, at) + 1:end]

    def _wait(self, reached, what):
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            value = reached()
            if value:
                return value
            if not self.alive() and not reached():
                break
            time.sleep(LOOK_S)
        raise LabError(f"{what} never came; the log was:\n  " + "\n  ".join(self.log))


class Machine:
    """A VM with network, channel and share; booted on entering."""

    def __init__(self, build=Net.bridge_uplink, share_bytes=1 << 30, **spec):
        """spec: words of vm.Spec, such as memory="2G"."""
        self._build, self._share_bytes, self._words = build, share_bytes, spec
        self._closing = contextlib.ExitStack()
        self.net = self.vm = self.share = self.address = None

    def __enter__(self):
        try:
            self.net = self._closing.enter_context(self._build(vms=1))
            self.address = f"serial:{socket_path()}"
            self.share = pathlib.Path(tempfile.mkdtemp(prefix="share-", dir=wall.RUN))
            wall.mount_tmpfs(self.share, self._share_bytes, self._closing)
            self.vm = self._closing.enter_context(Vm(self._spec()))
        except BaseException:
            self._closing.close()
            raise
        return self

    def __exit__(self, *_):
        self._closing.close()

    def _spec(self):
        shares = tuple(Share(f"hylics-{kind}", str(self.share), place, kind, _CACHES[kind])
                       for kind, place in SHARES.items())
        return Spec(name="mover", taps=tuple(guest.tap for guest in self.net.guests),
                    node=self.net.host, channel=self.address, shares=shares, time_limit_s=3600,
                    **self._words)


class OffloadVm(Offload):
    """Keeper and worker on the host, the agent in the machine's guest; started on entering."""

    def __init__(self, machine, share="virtiofs", addresses=True, **options):
        super().__init__(machine.net, machine.net.guests[0], **options)
        self.machine = machine
        self._mount_point = pathlib.Path(SHARES[share])
        self._addresses = addresses

    @property
    def address(self):
        """Of the channel, for the worker."""
        return self.machine.address

    guest_address = "serial"
    guest_run = "/run/hylics"

    @property
    def nic(self):
        """The guest's NIC as the keeper is told; without addresses the guest tells them."""
        return super().nic if self._addresses else (f"{self.guest.interface},"
                                                    f"{guest_mac(self.guest)}")

    def in_guest(self, path):
        """Where the guest sees a path of the share."""
        return self._mount_point / pathlib.Path(path).relative_to(self.share)

    def run_in_guest(self, argv):
        """A command in the guest, as subprocess.run() gives it."""
        words = [str(word) for word in argv]
        done = self.machine.vm.run(shlex.join(words), PATIENCE_S)
        return subprocess.CompletedProcess(words, done.code, done.stdout, done.stderr)

    def kill_child(self, who):
        """kill -9 the worker or the agent, whose parent starts the next one."""
        if who == "agent":
            self.agent.kill_children()
        else:
            super().kill_child(who)

    def status(self):
        """What the agent says of itself."""
        done = self.machine.vm.run([program("hylics-guest"), "status", "--json", "--run-dir",
                                    self.guest_run], PATIENCE_S)
        if done.code:
            raise LabError(f"hylics-guest status: {done.stderr.strip()}")
        return json.loads(done.stdout)

    def _shown_in_guest(self):
        return ()       # where the lab would not see them

    def _start(self, node, argv, fault=None):
        if node:
            return super()._start(node, argv, fault)
        return self._closing.enter_context(Job(self.machine.vm, argv, fault))

    def _make_share(self):
        self._make_directory()
        self.share = self.machine.share
