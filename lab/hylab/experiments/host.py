# SPDX-License-Identifier: GPL-2.0-or-later
"""host - what hylicsd, a keeper and a worker take of a host: time to add a VM, memory, idle CPU.

The VMs are only promised: no QEMU runs. So a worker looks for its channel once a second, as it does
for a VM that is switched off.
"""

import contextlib
import pathlib
import re
import socket
import subprocess
import time

from hylab import LabError
from hylab.experiment import Arm, Experiment, Metric
from hylab.hylicsd import SOON_S, running
from hylab.sample import Sampler
from hylab.wait import wait_for

SHARE = "64M"
CYCLES, QUICK_CYCLES, WARM_CYCLES = 1000, 100, 20
CONNECTIONS, QUICK_CONNECTIONS, WARM_CONNECTIONS = 10000, 1000, 300
HALF_EVERY = 3                # one connection of so many sends half a request, and goes
IDLE_S, QUICK_IDLE_S = 20, 5
IDLE_VMS = (1, 16)
ANSWER_BYTES = 65536
REQUEST = b"GET /v1/host HTTP/1.1\r\nHost: hylicsd\r\n\r\n"
US_PER_S, MS_PER_S = 1e6, 1e3


def make_arms():
    """What is done to a hylicsd, or that nothing is."""
    yield Arm("cycles", "a VM is added and removed, again and again", {})
    yield Arm("connections", "connections to the API, one after another; of three one sends half"
              " a request", {})
    for count in IDLE_VMS:
        yield Arm(f"idle-{count}", f"{count} VMs, and nothing happens", {"vms": count})


def rss_kb(pid):
    """Resident memory of a process."""
    text = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return int(re.search(r"^VmRSS:\s+(\d+) kB$", text, re.MULTILINE).group(1))


def mounts():
    """How many there are here."""
    return len(pathlib.Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines())


def held(host):
    """What it has open, mounted, in memory."""
    return host.fds(), mounts(), rss_kb(host.process.pid)


@contextlib.contextmanager
def growth(host, measured):
    """What it has more of at the end of `with`, into the dict."""
    before = held(host)
    yield
    with contextlib.suppress(AssertionError):
        wait_for(lambda: host.fds() <= before[0], "the last client is let go", SOON_S)
    names = "fds_count", "mounts_count", "growth_kb"
    measured.update({name: [now - then] for name, now, then in zip(names, held(host), before)})


def timed(call, *words):
    """How long it took, in seconds."""
    began = time.monotonic()
    call(*words)
    return time.monotonic() - began


def cycles(host, count):
    """Times of `hylics vm add` and `hylics vm remove`, each a command of its own."""
    took = {"add_ms": [], "remove_ms": []}
    for _ in range(count):
        took["add_ms"].append(timed(host.ask, "vm", "add", "web1", "--share", SHARE) * MS_PER_S)
        took["remove_ms"].append(timed(host.ask, "vm", "remove", "web1") * MS_PER_S)
    return {name: [round(ms, 2) for ms in samples] for name, samples in took.items()}


def request(host):
    """One connection, one answer."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(SOON_S)
        client.connect(str(host.run / "api.sock"))
        client.sendall(REQUEST)
        if not client.recv(ANSWER_BYTES).startswith(b"HTTP/1.1 200"):
            raise LabError("hylicsd did not answer")


def half_a_request(host):
    """One connection that says half of what it wants, and goes."""
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(host.run / "api.sock"))
        client.sendall(REQUEST[:len(REQUEST) // 2])


def connections(host, count):
    """Times of whole requests."""
    took = []
    for i in range(count):
        if i % HALF_EVERY == 0:
            half_a_request(host)
        else:
            took.append(round(timed(request, host) * US_PER_S, 1))
    return {"request_us": took}


def footprint(host):
    """Resident memory of each process, by program."""
    found = {"hylicsd_rss_kb": [rss_kb(host.process.pid)]}
    for pid, program in host.programs().items():
        found.setdefault(program.removeprefix("hylics-") + "_rss_kb", []).append(rss_kb(pid))
    return found


def idle(host, vms, seconds):
    """What all of them take when nothing happens."""
    for number in range(vms):
        host.ask("vm", "add", f"web{number}", "--share", SHARE)
    wait_for(lambda: len(host.programs()) == 2 * vms, "a keeper and a worker for each")
    time.sleep(1)             # what they do at their start is over
    with Sampler([host.process.pid, *host.programs()]) as sampler:
        time.sleep(seconds)
    total = sampler.sample.total
    used = total.cpu_s if total.run_s is None else total.run_s
    return {"idle_cpu_pct": [round(100 * used / sampler.sample.seconds, 4)], **footprint(host)}


class Host(Experiment):
    """See the module."""
    name = "host"
    summary = "time of vm add and remove, memory of hylicsd, keeper and worker, idle CPU"
    takes = "4 min, quick 1 min"
    arms = tuple(make_arms())
    metrics = (
        Metric("add_ms", "hylics vm add, the whole command", better="lower", compare=False,
               picture="cdf"),
        Metric("remove_ms", "hylics vm remove, the whole command", better="lower", compare=False,
               picture="cdf"),
        Metric("request_us", "A connection to the API and its answer", better="lower",
               compare=False, picture="cdf"),
        Metric("fds_count", "Descriptors hylicsd has more at the end", better="lower",
               compare=False),
        Metric("mounts_count", "Mounts there are more at the end", better="lower", compare=False),
        Metric("growth_kb", "Memory hylicsd has more at the end", better="lower", compare=False),
        Metric("hylicsd_rss_kb", "Memory of hylicsd", better="lower", compare=False),
        Metric("keeper_rss_kb", "Memory of a keeper", better="lower", compare=False),
        Metric("worker_rss_kb", "Memory of a worker", better="lower", compare=False),
        Metric("idle_cpu_pct", "CPU of all together, of one core", better="lower",
               compare=False),
    )
    baseline = "idle-1"
    repeats, quick_repeats = 3, 1
    reading = (
        "Growth is counted from behind a first few cycles or connections, which allocate what is"
        " kept: it should not depend on how many follow.",
        "Memory is resident, with the pages of libraries that processes share. The VMs are only"
        " promised: each worker looks for its channel once a second, virtiofsd comes with a guest.",
    )

    def run_arm(self, ctx, arm, repeat):
        """A hylicsd of its own."""
        measured = {}
        with running(errors=subprocess.DEVNULL) as host:
            if "vms" in arm.params:
                return idle(host, arm.params["vms"], QUICK_IDLE_S if ctx.quick else IDLE_S)
            if arm.name == "cycles":
                cycles(host, WARM_CYCLES)
                with growth(host, measured):
                    measured.update(cycles(host, QUICK_CYCLES if ctx.quick else CYCLES))
            else:
                connections(host, WARM_CONNECTIONS)
                with growth(host, measured):
                    measured.update(connections(host, QUICK_CONNECTIONS if ctx.quick
                                                else CONNECTIONS))
        return measured


EXPERIMENT = Host()
