# SPDX-License-Identifier: GPL-2.0-or-later
"""handoff - what a server in a guest gains when the host sends its files: speed, CPU, first byte.

The same server (hylics-talk) three ways: with plain sendfile() in the guest, with
hylics_sendfile() there, and plain on the host itself. The client checks no bytes here (the tests
do), so that the client is not what is measured.
"""

import contextlib
import dataclasses

from hylab.experiment import Arm, Experiment, Metric
from hylab.net import Net
from hylab.offload import Offload
from hylab.sample import Sampler

GB = 1e9
FILE_BYTES = 64 << 20
PORTS = {"plain": 8080, "hylics": 8081, "host": 8082}
# Response size, connections at once, and whether a connection is kept for the next request.
LOADS = ((16 << 10, 1, True), (128 << 10, 1, True), (1 << 20, 1, True), (1 << 20, 50, True),
         (1 << 20, 1, False), (64 << 20, 1, True), (64 << 20, 8, True))
ARM_BYTES, QUICK_ARM_BYTES = 4 << 30, 512 << 20
REQUESTS_MAX, QUICK_REQUESTS_MAX = 4000, 500


def size_text(size):
    """16K, 1M."""
    return f"{size >> 20}M" if size >= 1 << 20 else f"{size >> 10}K"


def make_arms():
    """Every way for every load; those of one load are a group."""
    for size, connections, keep in LOADS:
        load = f"{size_text(size).lower()}-x{connections}" + ("" if keep else "-new")
        for way in PORTS:
            yield Arm(f"{way}-{load}",
                      f"{way}: answers of {size_text(size)}, {connections} connections at once, "
                      + ("kept" if keep else "a new one for each"),
                      {"way": way, "answer_bytes": size, "connections": connections,
                       "keep_alive": keep}, group=load)


@dataclasses.dataclass
class Place:
    """What is running in a session."""
    offload: Offload
    file: str
    guest_pids: dict
    host_pids: dict


@contextlib.contextmanager
def place():
    """One guest behind a bridge, three servers, the file."""
    with contextlib.ExitStack() as stack:
        net = stack.enter_context(Net.bridge_uplink(spaces=1))
        offload = stack.enter_context(Offload(net, net.guests[0]))
        file = offload.file("body", FILE_BYTES)
        servers = {way: offload.serve(port, file, "hylics" if way == "hylics" else "plain",
                                      "--nonblock", node=net.host if way == "host" else None)
                   for way, port in PORTS.items()}
        workers = offload.pids("keeper")
        yield Place(offload, file,
                    {"plain": [servers["plain"].pid], "host": [],
                     "hylics": [servers["hylics"].pid, *offload.pids("agent")]},
                    {"plain": [], "hylics": workers, "host": [servers["host"].pid]})


def answers(ctx, arm):
    """How many requests a connection makes: an arm moves about the same bytes every time."""
    total = QUICK_ARM_BYTES if ctx.quick else ARM_BYTES
    most = QUICK_REQUESTS_MAX if ctx.quick else REQUESTS_MAX
    size, connections = arm.params["answer_bytes"], arm.params["connections"]
    return max(2, min(most, total // size) // connections)


class Handoff(Experiment):
    """See the module."""
    name = "handoff"
    summary = "a server's files sent by the guest, by the host for it, and by the host itself"
    takes = "15 min, quick 3 min"
    paper = "Hylics, stream throughput and CPU of socket offload"
    paper_figures = {("plain-64m-x8", "throughput_mbps"): "661 with a transcode beside it (Hylics)",
                     ("hylics-64m-x8", "throughput_mbps"): "931 on a 1 Gbit/s network (Hylics)"}
    arms = tuple(make_arms())
    metrics = (
        Metric("throughput_mbps", "Throughput", better="higher", picture="dots"),
        Metric("first_byte_us", "Request to first byte", better="lower", picture="cdf"),
        Metric("response_us", "Request to last byte", better="lower"),
        Metric("guest_cpu_s_per_gb", "CPU of the guest's programs", better="lower", picture="dots"),
        Metric("host_cpu_s_per_gb", "CPU of worker and keeper, or of the host's server"),
        Metric("offloaded_share_pct", "Share of the files' bytes that the host sent",
               compare=False),
    )
    baseline = "plain-64m-x1"
    repeats, quick_repeats = 6, 1
    reading = (
        "Client, guest and host share the machine's CPUs: what the guest does not do, the client"
        " gets. CPU is user and system time of the named processes; soft interrupts land on"
        " whoever runs.",
        "keep: one connection asks again and again, so one move serves many answers; new: each"
        " answer costs a move.",
    )

    def session(self, _ctx):
        """The network and the servers stay for the whole run."""
        return place()

    def run_arm(self, ctx, arm, repeat):
        """One client."""
        here, way, size = ctx.session, arm.params["way"], arm.params["answer_bytes"]
        connections, keep = arm.params["connections"], arm.params["keep_alive"]
        count = answers(ctx, arm)
        options = ["--connections", str(connections), "--requests", str(count), "--bytes",
                   str(size), "--head", "240"] + ([] if keep else ["--close-after"])
        host_address = f"{here.offload.net.host.v4}:{PORTS['host']}"
        where = host_address if way == "host" else None
        before = here.offload.settled()["bytes_file"]
        with Sampler(here.guest_pids[way]) as guest, Sampler(here.host_pids[way]) as host:
            verdict = here.offload.ask(PORTS[way], here.file, *options,
                                       timeout_s=ctx.time_left_s(), where=where)
        sent = here.offload.settled()["bytes_file"] - before
        total = verdict["bytes"] / GB
        return {"throughput_mbps": [round(verdict["bytes_per_second"] * 8 / 1e6, 1)],
                "first_byte_us": verdict["first_byte"]["us"],
                "response_us": verdict["response"]["us"],
                "guest_cpu_s_per_gb": [round(guest.sample.total.cpu_s / total, 5)],
                "host_cpu_s_per_gb": [round(host.sample.total.cpu_s / total, 5)],
                "offloaded_share_pct": [round(100 * sent / (size * count * connections), 2)]}


EXPERIMENT = Handoff()
