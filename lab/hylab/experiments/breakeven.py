# SPDX-License-Identifier: GPL-2.0-or-later
"""breakeven - from which size of an answer on the host should send it, in time and in guest CPU.

The same server with plain sendfile() and with hylics_sendfile(), answers from 4 KB to 16 MB, on
connections that are kept, so that one move serves many answers, and on new ones, so that each
answer pays for a move. The agent's threshold is out of the way: every size is moved.
"""

import contextlib
import math

from hylab import LabError, paired, plot, report
from hylab.experiment import Arm, Experiment, Metric
from hylab.net import Net
from hylab.offload import Offload
from hylab.sample import Sampler

PORTS = {"plain": 8080, "hylics": 8081}
SIZES = tuple(1 << bits for bits in range(12, 25))      # 4 KB to 16 MB, each twice the last
KINDS = {"keep": "kept for the next answer", "new": "a new one for each"}
FILE_BYTES = 32 << 20
KEPT_FROM = 16 << 10    # smaller answers are plain bytes to libhylics, and bring a connection home
THRESHOLD = "1"
HEAD_BYTES = 240
# Bytes an arm sends, and how many answers it makes at least and at most.
ARM_BYTES, QUICK_ARM_BYTES = 256 << 20, 64 << 20
ANSWERS, QUICK_ANSWERS = (32, 2000), (8, 200)
US_PER_S = 1e6
COMPARED = {"response_us": "Request to last byte",
            "guest_cpu_us_per_answer": "CPU of the guest's programs"}


def make_arms():
    """Both ways of every size and kind, next to each other."""
    for size in SIZES:
        for kind, about in KINDS.items():
            for way in PORTS if kind == "new" or size >= KEPT_FROM else ():
                text = plot.size_label(size)
                yield Arm(f"{way}-{text.lower()}-{kind}",
                          f"{way}: answers of {text}, the connection {about}",
                          {"way": way, "answer_bytes": size, "kind": kind},
                          group=f"{text.lower()}-{kind}")


def answers(quick, size):
    """How many an arm makes."""
    least, most = QUICK_ANSWERS if quick else ANSWERS
    return max(least, min(most, (QUICK_ARM_BYTES if quick else ARM_BYTES) // size))


def curve(result, name, kind):
    """[(size, what stats.compare() found)] of hylics against plain, for sizes that have a pair."""
    found = []
    for size in SIZES:
        text = plot.size_label(size).lower()
        ratio = paired.ratio(result, name, f"hylics-{text}-{kind}", f"plain-{text}-{kind}")
        if ratio:
            found.append((size, ratio))
    return found


def crossing(points):
    """Where a curve [(size, ratio)] goes below 1 for good: between its neighbours on logarithms.

    None if it is not below 1 at its end; 0 if it is from its beginning.
    """
    above = [i for i, (_, ratio) in enumerate(points) if ratio > 1]
    if not points or (above and above[-1] == len(points) - 1):
        return None
    if not above:
        return 0
    (size, ratio), (next_size, next_ratio) = points[above[-1]:above[-1] + 2]
    part = math.log(ratio) / (math.log(ratio) - math.log(next_ratio))
    return size * (next_size / size) ** part


def sure_from(points):
    """The smallest measured size from which on every interval's upper end is below 1, or None."""
    sure = None
    for size, found in reversed(points):
        if found["high"] is None or found["high"] >= 1:
            break
        sure = size
    return sure


def size_words(size):
    """About 90K."""
    return f"about {report.number(size / 1024)}K"


class BreakEven(Experiment):
    """See the module."""
    name = "breakeven"
    summary = "the size from which on the host should send an answer, by time and by guest CPU"
    takes = "15 min, quick 2 min"
    arms = tuple(make_arms())
    metrics = (
        Metric("response_us", "Request to last byte", better="lower", compare=False),
        Metric("first_byte_us", "Request to first byte", better="lower", compare=False),
        Metric("guest_cpu_us_per_answer", "CPU of the guest's programs", better="lower",
               compare=False),
        Metric("host_cpu_us_per_answer", "CPU of worker and keeper", better="lower",
               compare=False),
    )
    baseline = "plain-128k-keep"
    repeats, quick_repeats = 8, 1
    reading = (
        f"One connection at a time, {HEAD_BYTES} bytes before the file, as a web server would. All"
        " of an answer's bytes pass the network, the client counts them.",
        "Both servers are in the same guest. A pair is the two ways' medians of the same repeat,"
        " measured right after one another.",
        "The guest's CPU is that of server, agent and holder. With kept connections it has the one"
        " move and then what each answer takes. Below 16 KB libhylics writes the bytes themselves,"
        " and a connection with nothing else comes home again: that is not measured.",
        "Break-even is where the ratio goes below 1 and stays there, interpolated between the two"
        " sizes around it. Sure is the smallest size measured from which on every interval is"
        " below 1.",
    )

    @contextlib.contextmanager
    def session(self, _ctx):
        """The network and the servers stay for the whole run."""
        with Net.bridge_uplink(spaces=1) as net, \
                Offload(net, net.guests[0], threshold=THRESHOLD) as offload:
            file = offload.file("body", FILE_BYTES)
            servers = {way: offload.serve(port, file, way, "--nonblock").pid
                       for way, port in PORTS.items()}
            yield offload, file, servers

    def run_arm(self, ctx, arm, repeat):
        """One client."""
        offload, file, servers = ctx.session
        way, size = arm.params["way"], arm.params["answer_bytes"]
        count = answers(ctx.quick, size)
        moved = offload.settled()["moved"]
        guest_pids = [servers[way], *(offload.pids("agent") if way == "hylics" else [])]
        with Sampler(guest_pids) as guest, Sampler(offload.pids("keeper")) as host:
            verdict = offload.ask(
                PORTS[way], file, "--requests", count, "--bytes", size, "--head", HEAD_BYTES,
                *(["--close-after"] if arm.params["kind"] == "new" else []),
                timeout_s=ctx.time_left_s())
        moved = offload.settled()["moved"] - moved
        wanted = 0 if way == "plain" else count if arm.params["kind"] == "new" else 1
        if not verdict["good"] or moved != wanted:
            raise LabError(f"{moved} moves where {wanted} belong, or a wrong answer")
        measured = {"response_us": verdict["response"]["us"],
                    "first_byte_us": verdict["first_byte"]["us"]}
        for who, sampler in (("guest", guest), ("host", host)):
            total = sampler.sample.total
            used = total.cpu_s if total.run_s is None else total.run_s
            measured[f"{who}_cpu_us_per_answer"] = [round(used * US_PER_S / count, 2)]
        return measured

    def findings(self, result):
        """Where the curves cross."""
        found = []
        for name, label in COMPARED.items():
            for kind, about in KINDS.items():
                points = curve(result, name, kind)
                if not points:
                    continue
                at, sure = crossing([(s, f["ratio"]) for s, f in points]), sure_from(points)
                said = ("is not reached" if at is None else "lies below the smallest size measured"
                        if at == 0 else f"lies at {size_words(at)}")
                found.append(f"{label}, connection {about}: break-even {said}"
                             + (f", sure from {plot.size_label(sure)} on" if sure else ""))
        return found

    def sections(self, result):
        """The ratios by size."""
        rows = []
        for kind in KINDS:
            curves = {name: dict(curve(result, name, kind)) for name in COMPARED}
            for size in SIZES:
                cells = [paired.in_words(curves[name][size]) if size in curves[name] else ""
                         for name in COMPARED]
                if any(cells):
                    rows.append((f"{plot.size_label(size)}, {kind}", *cells))
        if not rows:
            return []
        head = ("answer", *(f"`{name}` (95 %)" for name in COMPARED))
        return [("hylics / plain", [*report.table(head, rows), "", *(
            f"![{label}, hylics / plain](ratio_{name}.svg)" for name, label in COMPARED.items())])]

    def pictures(self, result):
        """A picture for each of the ratios."""
        found = []
        for name, label in COMPARED.items():
            curves = []
            for number, (kind, about) in enumerate(KINDS.items()):
                points = [(size, ratio["ratio"], ratio["low"] or ratio["ratio"],
                           ratio["high"] or ratio["ratio"])
                          for size, ratio in curve(result, name, kind)]
                if points:
                    curves.append((f"connection {about}", points, number))
            if curves:
                found.append((f"ratio_{name}.svg", plot.ratios(
                    f"{label}, hylics / plain · {report.accelerator_title(result)}",
                    report.subtitle(result), "bytes of an answer", "hylics / plain", curves)))
        return found


EXPERIMENT = BreakEven()
