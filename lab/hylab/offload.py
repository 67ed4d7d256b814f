# SPDX-License-Identifier: GPL-2.0-or-later
"""Socket offload in namespaces: a guest that is a namespace, and its keeper, worker and agent.

    with Net.bridge_uplink(spaces=1) as net:
        with Offload(net, net.guests[0]) as offload:
            offload.serve(8080, "plain")
            ...

The share is a tmpfs that guest and host see at the same place. Everything is native code; only
the guest's being a namespace tells it from a VM.
"""

import collections
import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

from hylab import BUILD, LabError, wall
from hylab.channel import UP, Process, program

END_WITHIN_S = 30
LOOK_S = 0.01
THRESHOLD = "128K"    # what is moved is not to depend on the machine's speed, nor on its load
SETTLE_S = 0.5        # longer than the worker waits before it shows its counters
READS = 20            # of a file that is just being written
AGENT_STATS = "agent-stats"
TALK = BUILD / "hylics-talk"
LIBRARY = BUILD / "libhylics"


def guest_mac(guest):
    """The MAC address of a guest's NIC."""
    return f"02:99:00:00:{guest.number:02x}:02"


@contextlib.contextmanager
def wire(net, directory, *options):
    """hylics-wire between client and host, doing this to every frame in both directions."""
    process = net.wire.popen([BUILD / "hylics-wire", "--control", directory / "wire.sock", "--a",
                              net.wire_ends[0], "--b", net.wire_ends[1], *options],
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if process.stdout.readline() != "ready\n":
        raise LabError(f"the wire is not ready: {process.communicate()[1]}")
    yield process
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=END_WITHIN_S)


class Client:
    """A client under way."""

    def __init__(self, argv, timeout_s):
        self._timeout_s = timeout_s
        self._process = subprocess.Popen([*map(str, argv)], stdout=subprocess.PIPE,
                                         stderr=subprocess.PIPE, text=True)

    def verdict(self):
        """What it says at its end."""
        said, errors = self._process.communicate(timeout=self._timeout_s)
        if not said.strip():
            raise LabError(f"the client said nothing but: {errors.strip()}")
        return json.loads(said)

    def close(self):
        """Kill it if it still runs."""
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()
        self._process.stderr.close()


class Offload:
    """Keeper and worker on the host, the agent in the guest; started on entering."""

    def __init__(self, net, guest, share_bytes=1 << 30, keeper=(), worker=(), agent=(),
                 show=True, threshold=THRESHOLD):
        self.net, self.guest = net, guest
        self._show = show           # counters: whoever shows them wakes up 50 times a second
        self._threshold = threshold
        self._options = {"keeper": keeper, "worker": worker, "agent": agent}
        self._closing = contextlib.ExitStack()
        self._share_bytes = share_bytes
        self.directory = self.share = self.keeper = self.agent = None
        self._faults = {}

    def faults(self, **faults):
        """Fault steps by program: keeper= (its worker comes to them too), agent=."""
        self._faults = faults
        return self

    def __enter__(self):
        try:
            self._make_share()
            self.start_keeper()
            self.start_agent()
            self.agent.wait_line(UP)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Stop the programs in an order in which connections come home, remove the share."""
        for process in (self.keeper, self.agent):
            if process and process.alive():
                process.kill(signal.SIGTERM)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait_end(END_WITHIN_S)
        self._closing.close()

    @property
    def address(self):
        """Of the channel, for the worker."""
        return f"unix:{self.directory}/channel.sock"

    @property
    def guest_address(self):
        """Of the channel, for the agent."""
        return self.address

    @property
    def guest_run(self):
        """The agent's run directory, in the guest."""
        return self.directory / "guest"

    @property
    def nic(self):
        """The guest's NIC as the keeper is told."""
        guest = self.guest
        return f"{guest.interface},{guest_mac(guest)},{guest.v4},{guest.v6}"

    @property
    def nics(self):
        """All NICs that the keeper is told of."""
        return (self.nic,)

    @property
    def environment(self):
        """What a program of the guest needs to find agent and library."""
        return {"HYLICS_RUN_DIR": str(self.guest_run), "LD_LIBRARY_PATH": str(LIBRARY)}

    @property
    def module_list(self):
        """The file that names the modules the guest may use; NAME.conf are in the folder of it."""
        return self.directory / "modules.d" / "list"

    def in_guest(self, path):
        """Where the guest sees a path of the share."""
        return path

    def start_keeper(self):
        """The keeper, which starts the worker."""
        guest = self.guest
        self.keeper = self._start(self.net.host, [
            program("hylics-keeper"), "--vm", f"guest{guest.number}",
            *(word for nic in self.nics for word in ("--nic", nic)),
            "--channel", self.address, "--share", self.share,
            "--modules", self.module_list, "--modules-dir", self.module_list.parent,
            *self._options["keeper"], "--",
            program("hylics-worker"), "--vm", f"guest{guest.number}", "--share", self.share,
            *self._shown("stats"), *self._options["worker"]], self._faults.get("keeper"))

    def start_agent(self):
        """The agent, which is its own holder."""
        self.agent = self._start(self.guest.node, [
            program("hylics-agent"), "--channel", self.guest_address, "--run-dir", self.guest_run,
            "--share", self.in_guest(self.share), "--threshold", self._threshold,
            *self._shown_in_guest(), *self._options["agent"]], self._faults.get("agent"))

    def file(self, name, size, seed=1):
        """A file of the share with bytes that tell their place; its path."""
        path = self.share / name
        words = (size + 7) // 8
        with open(path, "wb") as file:
            for start in range(0, words, 1 << 16):
                count = min(words - start, 1 << 16)
                file.write(b"".join(((start + i) * 0x9e3779b97f4a7c15 + seed & (1 << 64) - 1)
                                    .to_bytes(8, "little") for i in range(count)))
            file.truncate(size)
        return path

    def serve(self, port, file, mode="hylics", *options, fault=None, node=None):
        """hylics-talk as server, in the guest if no node is named; listens when this returns."""
        environment = dict(self.environment, **({"HYLICS_FAULT": fault} if fault else {}))
        argv = ["env", *(f"{k}={v}" for k, v in environment.items()), TALK, "server", "--listen",
                f"[::]:{port}", "--file", self.in_guest(file), "--mode", mode, *options]
        server = self._start(node or self.guest.node, argv)
        server.wait_output("ready")
        return server

    def start_program(self, argv, node=None):
        """A program in the guest, or in a node, until this offload ends."""
        return self._start(node or self.guest.node, argv)

    def run_in_guest(self, argv):
        """A command in the guest, as subprocess.run() gives it."""
        return self.guest.node.run(argv, check=False, timeout_s=60)

    def where(self, port, family=4):
        """ADDRESS:PORT at which the client reaches a port of the guest."""
        address, port = self.net.endpoint(self.guest, port, family)
        return f"[{address}]:{port}" if family == 6 else f"{address}:{port}"

    def ask(self, port, file, *options, family=4, node=None, where=None, timeout_s=120):
        """hylics-talk as client at the other end; its verdict."""
        argv = [TALK, "client", "--connect", where or self.where(port, family), "--file",
                file, *map(str, options)]
        done = (node or self.net.client).run(argv, timeout_s=timeout_s, check=False)
        if not done.stdout.strip():
            raise LabError(f"the client said nothing but: {done.stderr.strip()}")
        return json.loads(done.stdout)

    @contextlib.contextmanager
    def asking(self, port, file, *options, family=4, node=None, where=None, timeout_s=120):
        """The same, meanwhile: an object whose verdict() waits for the end."""
        argv = [*(node or self.net.client).prefix(), TALK, "client", "--connect",
                where or self.where(port, family), "--file", file, *options]
        client = Client(argv, timeout_s)
        try:
            yield client
        finally:
            client.close()

    def counts(self, name="stats"):
        """The worker's counters, or what another such file holds."""
        for left in range(READS, 0, -1):
            text = (self.directory / name).read_text(encoding="utf-8")
            try:
                return collections.Counter(json.loads(text) if text.strip() else {})
            except json.JSONDecodeError:    # it is just being written
                if left == 1:
                    raise
                time.sleep(LOOK_S)

    def stages(self):
        """How long stages of moves took so far: {"agent": {stage: histogram}, "worker": ...}."""
        return {"agent": self.counts(AGENT_STATS).get("stages_ns", {}),
                "worker": self.counts().get("stages_ns", {})}

    def settled(self):
        """The counters once they have come to rest."""
        last = self.counts()
        while True:
            time.sleep(SETTLE_S)
            now = self.counts()
            if now == last:
                return now
            last = now

    def wait_counts(self, reached, timeout_s=60):
        """Wait until the worker's counters are such."""
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            with contextlib.suppress(FileNotFoundError, json.JSONDecodeError):
                counts = self.counts()
                if reached(counts):
                    return counts
            time.sleep(LOOK_S)
        raise LabError(f"the worker's counters stay at {self.counts()}")

    def kill_child(self, who):
        """kill -9 the worker (child of the keeper) or the agent (child of its holder)."""
        os.kill(self.pids("keeper" if who == "worker" else "agent")[1], signal.SIGKILL)

    def pids(self, who):
        """Of "keeper" or "agent": the process and its child, which does the work."""
        parent = getattr(self, who).pid
        children = pathlib.Path(f"/proc/{parent}/task/{parent}/children").read_text()
        return [parent, *map(int, children.split())]

    def close_programs(self):
        """End keeper and agent."""
        for process in (self.keeper, self.agent):
            process.kill(signal.SIGTERM)
            process.wait_end(END_WITHIN_S)

    @contextlib.contextmanager
    def watch(self, node=None, interface="client0", port=None):
        """hylics-talk watching the client's interface; a dict that is filled at the end."""
        seen = {}
        argv = [*(node or self.net.client).prefix(), TALK, "watch", "--interface", interface]
        process = subprocess.Popen([*map(str, argv), *(["--port", str(port)] if port else [])],
                                   stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
        try:
            if "ready" not in process.stdout.readline():
                raise LabError("the watch on the wire did not start")
            yield seen
            process.send_signal(signal.SIGTERM)
            seen.update(json.loads(process.communicate(timeout=END_WITHIN_S)[0]))
        finally:
            process.kill()
            process.wait()
            process.stdout.close()

    def status(self):
        """What the agent says of itself."""
        done = self.guest.node.run([program("hylics-guest"), "status", "--json", "--run-dir",
                                    self.guest_run])
        return json.loads(done.stdout)

    def _shown(self, name):
        return ("--stats", self.directory / name) if self._show else ()

    def _shown_in_guest(self):
        return self._shown(AGENT_STATS)

    def _start(self, node, argv, fault=None):
        process = Process([*node.prefix(), *map(str, argv)], fault)
        self._closing.enter_context(process)
        return process

    def _make_directory(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="vm-", dir=wall.RUN))
        self._closing.callback(shutil.rmtree, self.directory, ignore_errors=True)

    def _make_share(self):
        self._make_directory()
        self.share = self.directory / "share"
        for name in ("share", "guest"):
            (self.directory / name).mkdir()
        wall.mount_tmpfs(self.share, self._share_bytes, self._closing)
