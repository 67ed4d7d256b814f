# SPDX-License-Identifier: GPL-2.0-or-later
"""`hylics lab demo`: a VM with a share; files both ways; a download, plain and moved; times."""

import contextlib
import json
import os
import pathlib
import tempfile
import time

from hylab import LabError, channel, kernel, progress, stats, wall
from hylab.hylicsd import Hylicsd
from hylab.net import Net
from hylab.offload import LIBRARY, TALK
from hylab.offload_vm import Job
from hylab.vm import Share, Spec, Vm

NAME = "web1"
SHARE = "256M"
PINGS = 1000
SOAK = "4M"
FILE_MB = 64
PORTS = {"plain": 8080, "hylics": 8081}
PATIENCE_S = 60
LOOK_S = 0.02
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def main():
    """Run the demo; the exit code."""
    wall.require()
    with contextlib.ExitStack() as closing:
        _Demo(closing).run()
    return 0


class _Demo:
    """What the steps have found so far."""

    def __init__(self, closing):
        self._closing = closing
        self._net = closing.enter_context(Net.bridge_uplink(vms=1))
        self._daemon = self._start_daemon()
        self._record = self._channel = self._machine = None
        self._first_ping_s = self._idle = self._busy = None
        self._seconds = {}          # of what was timed
        self._cpu_s = {}            # of the whole VM, during a download
        self._counts = {}           # of the worker, at the end

    def run(self):
        """All steps, then the table."""
        self._add()
        self._boot()
        self._measure_channel()
        self._use_share()
        self._download()
        self._print()

    def _start_daemon(self):
        errors = self._closing.enter_context(tempfile.TemporaryFile())
        daemon = Hylicsd(node=self._net.host, where=wall.RUN)
        self._closing.callback(daemon.close)
        daemon.errors = errors
        return daemon.start()

    @contextlib.contextmanager
    def _timed(self, what):
        started = time.monotonic()
        yield
        self._seconds[what] = time.monotonic() - started

    def _add(self):
        tap = self._net.guests[0].tap
        with progress.step(f"hylics vm add {NAME} --share {SHARE}"), self._timed("hylics vm add"):
            self._daemon.ask("vm", "add", NAME, "--share", SHARE, "--tap",
                             f"{tap.interface},{tap.mac}")
        self._record = self._daemon.vm(NAME)
        # a channel has one worker, and the round trips are measured by one of the demo's own:
        # hylicsd's finds the socket when it is where hylicsd says
        self._channel = pathlib.Path(self._record["channel"]).with_name("demo.sock")

    def _boot(self):
        record = self._record
        # the agent mounts it
        share = Share("hylics", "", "", "virtiofs", socket=record["virtiofs"])
        self._machine = Vm(Spec(
            name=NAME, memory="512M", node=self._net.host, taps=(self._net.guests[0].tap,),
            channel=f"serial:{self._channel}", shares=(share,)))
        self._closing.callback(self._machine.close)
        started = time.monotonic()
        with progress.step("booting a VM with this machine's root file system, read-only"):
            self._machine.start()
            self._machine.wait_ready()
            self._spawn(channel.program("hylics-agent"), "--channel", "serial", "--share",
                        "/hylics")
        with progress.step("waiting for the first ping of the agent in it"):
            channel.measure(f"serial:{self._channel}", 1)
        self._first_ping_s = time.monotonic() - started

    def _measure_channel(self):
        address = f"serial:{self._channel}"
        with progress.step(f"{PINGS} round trips over virtio-serial"):
            self._idle = channel.measure(address, PINGS)
        with progress.step(f"{PINGS} more while {SOAK} messages flow beside them"):
            self._busy = channel.measure(address, PINGS, "--soak", SOAK)
        self._channel.rename(self._record["channel"])

    def _use_share(self):
        """A program of the guest writes a file, this process reads it, and the way back."""
        share = pathlib.Path(self._record["share"])
        with progress.step(f"the VM writes {FILE_MB} MB to /hylics and reads them"):
            self._do(f"head -c {FILE_MB}M /dev/urandom > /run/body")
            with self._timed("write in the VM"):
                self._do("dd if=/run/body of=/hylics/body bs=1M conv=fsync")
            with self._timed("read on the host"):
                size = len((share / "body").read_bytes())
            (share / "from-the-host").write_text("seen\n", encoding="ascii")
            with self._timed("read in the VM"):
                self._do("cat /hylics/body > /dev/null && grep -q seen /hylics/from-the-host")
        if size != FILE_MB << 20:
            raise LabError(f"the host sees {size} bytes of what the VM wrote")

    def _download(self):
        for mode, port in PORTS.items():
            server = self._spawn("env", f"LD_LIBRARY_PATH={LIBRARY}", TALK, "server", "--listen",
                                 f"[::]:{port}", "--file", "/hylics/body", "--mode", mode)
            server.wait_output("ready")
        self._ask_for("plain")
        self._wait(lambda: self._status() == "up", "a worker of hylicsd's at the channel")
        self._ask_for("hylics")
        # it shows what it counts 20 ms later
        self._wait(lambda: self._daemon.worker_counts(NAME).get("bytes_file", 0) >= FILE_MB << 20,
                   "the worker has sent it")
        self._counts = self._daemon.worker_counts(NAME)

    def _status(self):
        done = self._machine.run([channel.program("hylics-guest"), "status", "--json"], PATIENCE_S)
        return json.loads(done.stdout)["channel"] if done.code == 0 else ""

    def _ask_for(self, mode):
        """A client in a network of its own downloads the file, and compares every byte."""
        where = f"{self._net.guests[0].v4}:{PORTS[mode]}"
        file = pathlib.Path(self._record["share"]) / "body"
        before = self._vm_cpu_s()
        with progress.step(f"a client downloads {FILE_MB} MB, sent by "
                           + ("the VM" if mode == "plain" else "the host: a moved connection")):
            with self._timed(mode):
                done = self._net.client.run([TALK, "client", "--connect", where, "--file", file],
                                            timeout_s=PATIENCE_S, check=False)
        self._cpu_s[mode] = self._vm_cpu_s() - before
        if not done.stdout.strip() or not json.loads(done.stdout)["good"]:
            raise LabError(f"the client got something else: {done.stdout} {done.stderr}")

    def _vm_cpu_s(self):
        """CPU time of QEMU: the guest's, and what emulating it takes."""
        stat = pathlib.Path(f"/proc/{self._machine.pids()['qemu']}/stat").read_text()
        user, system = stat.rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / TICKS_PER_S

    def _spawn(self, *argv):
        return Job(self._machine, argv)

    def _do(self, command):
        done = self._machine.run(command, PATIENCE_S)
        if done.code:
            raise LabError(f"in the VM '{command}' failed: {done.stderr.strip()}")

    @staticmethod
    def _wait(happened, what):
        end = time.monotonic() + PATIENCE_S
        while not happened():
            if time.monotonic() > end:
                raise LabError(f"in vain: {what}")
            time.sleep(LOOK_S)

    # -- the table --

    def _print(self):
        machine = self._machine
        print()
        print(f"A VM (Linux {kernel.need().version}, accelerator {machine.accelerator}) and its "
              "host.")
        print()
        print("  seconds from QEMU's start to")
        for stage, seconds in machine.boot_times().items():
            print(_seconds(stage, seconds))
        print(_seconds("first pong of the agent", self._first_ping_s))
        self._print_channel()
        self._print_share()
        self._print_download()
        if machine.accelerator == "tcg":
            print("This machine has no usable KVM: the VM is emulated, and every figure is slower")
            print("than a user of KVM would see.")

    def _print_channel(self):
        soak = self._busy["soak"]
        print()
        print("  the channel, which carries control, not files: microseconds of a round trip")
        print("                                   min   median      p99      max")
        print(_row("idle", self._idle["rtt_us"]))
        print(_row(f"beside {SOAK} messages", self._busy["rtt_us"]))
        print(f"    those messages ran at {soak['bytes'] / soak['seconds'] / 1e6:.0f} MB/s")

    def _print_share(self):
        print()
        print(f"  the share: seconds for {FILE_MB} MB in one file, at /hylics in the VM")
        print(_seconds(f"hylics vm add --share {SHARE}", self._seconds["hylics vm add"], 3))
        for what in ("write in the VM", "read in the VM", "read on the host"):
            print(_seconds(what, self._seconds[what], 3))

    def _print_download(self):
        print()
        print("  that file, downloaded over the VM's network; every byte compared")
        print("                                       seconds   CPU seconds of the VM")
        for mode, label in (("plain", "sent by the VM"), ("hylics", "moved: sent by the host")):
            print(f"    {label:<34}{self._seconds[mode]:8.2f}{self._cpu_s[mode]:10.2f}")
        print(f"    connections moved: {self._counts['moved']}, bytes the host sent: "
              f"{self._counts['bytes_file']}")
        print()


def _seconds(label, seconds, digits=1):
    return f"    {label:<30}{seconds:9.{digits}f}"


def _row(label, rtt_us):
    cells = (min(rtt_us), stats.median(rtt_us), stats.quantile(rtt_us, 0.99), max(rtt_us))
    return f"    {label:<26}" + "".join(f"{cell:>9.0f}" for cell in cells)
