# SPDX-License-Identifier: GPL-2.0-or-later
"""handoff - what a server in a guest gains when the host sends its files: speed, CPU, first byte.

The same server (hylics-talk) three ways: with hylics_sendfile() in a guest, with plain sendfile()
in another guest at the same bridge that Hylics does not touch, and plain on the host itself. The
client checks no bytes here (the tests do), so that the client is not what is measured.
"""

import contextlib
import dataclasses

from hylab import paired
from hylab.experiment import Arm, Experiment, Metric
from hylab.net import Net
from hylab.offload import Offload
from hylab.plot import size_label
from hylab.sample import Sampler

GB = 1e9
FILE_BYTES = 1 << 30
PORTS = {"plain": 8080, "hylics": 8081, "host": 8082}
# Response size, connections at once, and whether a connection is kept for the next request.
LOADS = ((4 << 10, 1, True), (16 << 10, 1, True), (128 << 10, 1, True), (1 << 20, 1, True),
         (1 << 20, 50, True), (1 << 20, 200, True), (1 << 20, 1, False), (64 << 20, 1, True),
         (64 << 20, 8, True), (1 << 30, 1, True))
# Promised of the throughput: against the host's own, and against plain.
OF_HOST, OF_PLAIN = 0.9, 0.97
BULK_FROM = 64 << 20
# Promised of the guest's CPU for bulk: at most this share of plain's.
CPU_OF_PLAIN = 0.01
ARM_BYTES, QUICK_ARM_BYTES = 4 << 30, 512 << 20
REQUESTS_MAX, QUICK_REQUESTS_MAX = 4000, 500


def load_name(size, connections, keep):
    """64m-x8."""
    return f"{size_label(size).lower()}-x{connections}" + ("" if keep else "-new")


def make_arms():
    """Every way for every load; those of one load are a group."""
    for size, connections, keep in LOADS:
        load = load_name(size, connections, keep)
        for way in PORTS:
            yield Arm(f"{way}-{load}",
                      f"{way}: answers of {size_label(size)}, {connections} connections at once, "
                      + ("kept" if keep else "a new one for each"),
                      {"way": way, "answer_bytes": size, "connections": connections,
                       "keep_alive": keep}, group=load)


@dataclasses.dataclass
class Place:
    """What is running in a session."""
    offload: Offload
    file: str
    where: dict
    guest_pids: dict
    host_pids: dict


@contextlib.contextmanager
def place():
    """Two guests at a bridge, one of them with Hylics, three servers, the file."""
    with contextlib.ExitStack() as stack:
        net = stack.enter_context(Net.bridge_uplink(spaces=2))
        offload = stack.enter_context(Offload(net, net.guests[0]))
        file = offload.file("body", FILE_BYTES)
        nodes = {"plain": net.guests[1].node, "hylics": net.guests[0].node, "host": net.host}
        servers = {way: offload.serve(port, file, "hylics" if way == "hylics" else "plain",
                                      "--nonblock", node=nodes[way])
                   for way, port in PORTS.items()}
        workers = offload.pids("keeper")
        yield Place(offload, file,
                    {way: f"{nodes[way].v4}:{port}" for way, port in PORTS.items()},
                    {"plain": [servers["plain"].pid], "host": [],
                     "hylics": [servers["hylics"].pid, *offload.pids("agent")]},
                    {"plain": [], "hylics": workers, "host": [servers["host"].pid]})


def answers(ctx, arm):
    """How many requests a connection makes: an arm moves about the same bytes every time."""
    total = QUICK_ARM_BYTES if ctx.quick else ARM_BYTES
    most = QUICK_REQUESTS_MAX if ctx.quick else REQUESTS_MAX
    size, connections = arm.params["answer_bytes"], arm.params["connections"]
    return max(2, min(most, total // size) // connections)


def cpu_s(counts):
    """CPU time: exact where the kernel gives it, else in ticks of 10 ms."""
    return counts.cpu_s if counts.run_s is None else counts.run_s


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
        Metric("throughput_mbps", "Throughput", better="higher", picture="dots", compare=False),
        Metric("first_byte_us", "Request to first byte", better="lower", picture="cdf",
               compare=False),
        Metric("response_us", "Request to last byte", better="lower", compare=False),
        Metric("guest_cpu_s_per_gb", "CPU of the guest's programs", better="lower", picture="dots",
               compare=False),
        Metric("host_cpu_s_per_gb", "CPU of worker and keeper, or of the host's server",
               compare=False),
        Metric("offloaded_share_pct", "Share of the files' bytes that the host sent",
               compare=False),
    )
    baseline = "plain-64m-x1"
    repeats, quick_repeats = 6, 1
    reading = (
        "Client, guest and host share the machine's CPUs: what the guest does not do, the client"
        " gets. CPU is user and system time of the named processes; soft interrupts land on"
        " whoever runs.",
        "Plain is served by a guest of its own at the same bridge, whose interface has no program"
        " of the twin's: what those cost is hylics' own here, and the experiment hook's matter.",
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
        before = here.offload.settled()["bytes_file"]
        with Sampler(here.guest_pids[way]) as guest, Sampler(here.host_pids[way]) as host:
            verdict = here.offload.ask(PORTS[way], here.file, *options,
                                       timeout_s=ctx.time_left_s(), where=here.where[way])
        sent = here.offload.settled()["bytes_file"] - before
        total = verdict["bytes"] / GB
        cpu = {who: cpu_s(sampler.sample.total) for who, sampler in (("guest", guest),
                                                                     ("host", host))}
        return {"throughput_mbps": [round(verdict["bytes_per_second"] * 8 / 1e6, 1)],
                "first_byte_us": verdict["first_byte"]["us"],
                "response_us": verdict["response"]["us"],
                "guest_cpu_s_per_gb": [round(cpu["guest"] / total, 5)],
                "host_cpu_s_per_gb": [round(cpu["host"] / total, 5)],
                "offloaded_share_pct": [round(100 * sent / (size * count * connections), 2)]}

    @staticmethod
    def rows(result):
        """Ours against the others, load by load; promises are for bulk alone."""
        found = []
        for load in LOADS:
            bulk = load[0] >= BULK_FROM
            ours, plain, host = (f"{way}-{load_name(*load)}" for way in ("hylics", "plain", "host"))
            for name, base, bound in (
                    ("throughput_mbps", host, {"least": OF_HOST}),
                    ("throughput_mbps", plain, {"least": OF_PLAIN}),
                    ("first_byte_us", plain, {}), ("response_us", plain, {}),
                    ("guest_cpu_s_per_gb", plain, {"most": CPU_OF_PLAIN})):
                found += [(f"`{name}` {what}", *rest) for what, *rest in
                          paired.row(result, name, ours, base, **(bound if bulk else {}))]
        return found

    def sections(self, result):
        """The ratios."""
        return paired.section("Against the host and against plain", self.rows(result),
                              "A pair is the two ways' medians of the same repeat, measured right"
                              " after one another.")

    def findings(self, result):
        """What was promised."""
        return [f"{what}: {ratio}, promised {promised}: {said}"
                for what, ratio, _, promised, said in self.rows(result) if promised]


EXPERIMENT = Handoff()
