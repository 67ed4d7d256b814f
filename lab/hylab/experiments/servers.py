# SPDX-License-Identifier: GPL-2.0-or-later
"""servers - what web servers that nobody changed gain by `hylics-guest run`, by size of file.

lighttpd and nginx, each plain and under Hylics, in the same guest; wrk asks for one file again and
again on connections that are kept. The agent's threshold is the one it measures.
"""

import contextlib
import itertools
import json
import pathlib

from hylab import LabError, paired, plot, report
from hylab.experiment import Arm, Experiment, Metric
from hylab.net import Net
from hylab.offload import Offload
from hylab.sample import Sampler
from hylab.servers import KINDS, MODES, Site

GB = 1e9
SERVERS = ("lighttpd", "nginx")
SIZES = tuple(1 << bits for bits in (10, 12, 14, 16, 17, 18, 20, 22)) + (10 << 20, 100 << 20)
QUICK_SIZES = (1 << 10, 1 << 16, 1 << 18, 1 << 20, 100 << 20)
CONNECTIONS = 4
SECONDS, QUICK_SECONDS = 3, 1
SAMPLES_MAX = 1000
FIRST_PORT = 8080
SHARE_BYTES = 256 << 20
BULK = 100 << 20
# Promised: of the rate at every size, and of the guest's CPU for bulk.
RATE_OF_PLAIN, CPU_OF_PLAIN = 0.97, 0.05
COMPARED = {"answers_per_s": "Answers", "response_us": "Request to last byte, median",
            "response_p99_us": "Request to last byte, p99",
            "guest_cpu_s_per_gb": "CPU of the guest's programs"}


def file_name(size):
    """100m."""
    return plot.size_label(size).lower()


def make_arms(sizes=SIZES):
    """Both ways for every server and size, next to each other."""
    for kind in SERVERS:
        for size in sizes:
            for mode in MODES:
                yield Arm(f"{mode}-{kind}-{file_name(size)}",
                          f"{mode}: {kind} serves files of {plot.size_label(size)}",
                          {"way": mode, "server": kind, "answer_bytes": size,
                           "connections": CONNECTIONS}, group=f"{kind}-{file_name(size)}")


class Quiet(Offload):
    """An agent that shows no counters, for which it would wake up."""

    def _shown_in_guest(self):
        return ()


def spread(pairs):
    """At most so many samples of a histogram [[value, count], ...], each as likely as any other."""
    total = sum(count for _, count in pairs)
    wanted = min(total, SAMPLES_MAX)
    values = itertools.chain.from_iterable(itertools.repeat(*pair) for pair in pairs)
    return [value for at, value in enumerate(values)
            if (at + 1) * wanted // total > at * wanted // total]


def quantile(pairs, share):
    """Of a histogram in order."""
    left = share * sum(count for _, count in pairs)
    for value, count in pairs:
        left -= count
        if left <= 0:
            return value
    return pairs[-1][0]


def curve(result, name, kind):
    """[(size, ratio of hylics to plain)] for the sizes that were measured."""
    found = []
    for size in SIZES:
        ratio = paired.ratio(result, name, *(f"{mode}-{kind}-{file_name(size)}"
                                             for mode in reversed(MODES)))
        if ratio:
            found.append((size, ratio))
    return found


class Servers(Experiment):
    """See the module."""
    name = "servers"
    threshold = "auto"
    summary = "unchanged lighttpd and nginx, plain and under hylics-guest run, by size of file"
    takes = "25 min, quick 2 min"
    arms = tuple(make_arms())
    quick_arms = tuple(arm.name for arm in arms if arm.params["answer_bytes"] in QUICK_SIZES)
    metrics = (
        Metric("answers_per_s", "Answers", better="higher", compare=False),
        Metric("response_us", "Request to last byte", better="lower", compare=False),
        Metric("response_p99_us", "Request to last byte, 99 of 100", better="lower",
               compare=False),
        Metric("throughput_mbps", "Throughput", better="higher", compare=False),
        Metric("guest_cpu_s_per_gb", "CPU of server and agent", better="lower", compare=False),
        Metric("host_cpu_s_per_gb", "CPU of worker and keeper", better="lower", compare=False),
        Metric("offloaded_share_pct", "Share of the bytes that the host sent", compare=False),
        Metric("agent_wakes_per_gb", "Times the agent was woken", better="lower",
               compare=False),
    )
    baseline = "plain-lighttpd-1m"
    repeats, quick_repeats = 8, 1
    reading = (
        f"wrk asks on {CONNECTIONS} connections that are kept, as fast as answers come, for a time;"
        " what is under way at its end is cut off. It compares no bytes: the tests do.",
        "Both servers are in the same guest and write access logs. A pair is the two ways' medians"
        " of the same repeat, measured right after one another.",
        "Client, guest and host share the machine's CPUs: what the guest does not do, the client"
        " gets. CPU is user and system time of the named processes; soft interrupts land on"
        " whoever runs.",
        "The share is of all bytes the client got; heads are among them, so it is below 100 for"
        " small files that are moved, and what was cut off may make it seem 100 for large ones.",
    )

    def skip(self, arm):
        """Packages that are not there."""
        return KINDS[arm.params["server"]].missing()

    @contextlib.contextmanager
    def session(self, _ctx):
        """The network, the files and all servers stay for the whole run."""
        with Net.bridge_uplink(spaces=1) as net, \
                Quiet(net, net.guests[0], share_bytes=SHARE_BYTES,
                      threshold=self.threshold) as offload:
            site = Site(offload)
            for size in SIZES:
                site.file(file_name(size), size)
            there = [kind for kind in SERVERS if not KINDS[kind].missing()]
            servers = {pair: site.start(pair[0], port, pair[1]) for port, pair in
                       enumerate(itertools.product(there, MODES), FIRST_PORT)}
            yield offload, servers

    def run_arm(self, ctx, arm, repeat):
        """wrk for a while."""
        offload, servers = ctx.session
        server = servers[arm.params["server"], arm.params["way"]]
        agents = offload.pids("agent")
        before = offload.settled()["bytes_file"]
        with Sampler([*server.pids(), *agents]) as guest, Sampler(offload.pids("keeper")) as host:
            said = self._wrk(ctx, offload, server, file_name(arm.params["answer_bytes"]))
        if said["errors"] or not said["answers"]:
            raise LabError(f"{said['answers']} answers, {said['errors']} errors")
        by_host = offload.settled()["bytes_file"] - before
        total, pairs = said["bytes"] / GB, said["latency_us"]
        cpu = {who: (counts.cpu_s if counts.run_s is None else counts.run_s) for who, counts in
               (("guest", guest.sample.total), ("host", host.sample.total))}
        woken = sum(task.counts.voluntary for task in guest.sample.tasks if task.pid in agents)
        return {"answers_per_s": [round(said["answers"] * 1e6 / said["us"], 2)],
                "response_us": spread(pairs),
                "response_p99_us": [quantile(pairs, 0.99)],
                "throughput_mbps": [round(said["bytes"] * 8 / said["us"], 1)],
                "guest_cpu_s_per_gb": [round(cpu["guest"] / total, 5)],
                "host_cpu_s_per_gb": [round(cpu["host"] / total, 5)],
                "offloaded_share_pct": [round(min(100, 100 * by_host / said["bytes"]), 2)],
                "agent_wakes_per_gb": [round(woken / total, 1)]}

    @staticmethod
    def _wrk(ctx, offload, server, name):
        seconds = QUICK_SECONDS if ctx.quick else SECONDS
        done = offload.net.client.run(
            ["wrk", "--threads", 2, "--connections", CONNECTIONS, "--duration", f"{seconds}s",
             "--timeout", "60s", "--script", pathlib.Path(__file__).parents[1] / "wrk.lua",
             server.url(name)], timeout_s=ctx.time_left_s())
        return json.loads(done.stdout[done.stdout.index('{"answers"'):])

    @staticmethod
    def rows(result):
        """Ours against plain, server by server and size by size."""
        found = []
        for kind, size in itertools.product(SERVERS, SIZES):
            plain, ours = (f"{mode}-{kind}-{file_name(size)}" for mode in MODES)
            bounds = {"answers_per_s": {"least": RATE_OF_PLAIN}}
            if size == BULK:
                bounds["guest_cpu_s_per_gb"] = {"most": CPU_OF_PLAIN}
            for name in COMPARED:
                found += [(f"`{name}` {what}", *rest) for what, *rest in
                          paired.row(result, name, ours, plain, **bounds.get(name, {}))]
        return found

    def sections(self, result):
        """The ratios, and their pictures."""
        rows = self.rows(result)
        if not rows:
            return []
        (heading, lines), = paired.section(
            "hylics / plain", rows, "A pair is the two ways' medians of the same repeat.")
        return [(heading, [*lines, "", *(f"![{label}, hylics / plain](ratio_{name}.svg)"
                                         for name, label in COMPARED.items())])]

    def findings(self, result):
        """What was promised."""
        return [f"{what}: {ratio}, promised {promised}: {said}"
                for what, ratio, _, promised, said in self.rows(result) if promised]

    def pictures(self, result):
        """A picture for each of the ratios."""
        found = []
        for name, label in COMPARED.items():
            curves = []
            for number, kind in enumerate(SERVERS):
                points = [(size, ratio["ratio"], ratio["low"] or ratio["ratio"],
                           ratio["high"] or ratio["ratio"])
                          for size, ratio in curve(result, name, kind)]
                if points:
                    curves.append((kind, points, number))
            if curves:
                found.append((f"ratio_{name}.svg", plot.ratios(
                    f"{label}, hylics / plain · {report.accelerator_title(result)}",
                    report.subtitle(result), "bytes of a file", "hylics / plain", curves)))
        return found


EXPERIMENT = Servers()
