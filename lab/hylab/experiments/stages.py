# SPDX-License-Identifier: GPL-2.0-or-later
"""stages - one move looked at closely: what each stage takes, from the call to the wire.

Every answer has a connection of its own, so that each is moved. The server tells when it called
sendfile(), a packet socket at the host's uplink when the answer's first byte left; worker and
agent count what the stages in between took. The clock is the same for all: a guest that is a
namespace has the host's.
"""

import contextlib
import json
import signal

from hylab import LabError, stages, stats, wakes
from hylab.capture import Capture
from hylab.experiment import Arm, Experiment, Metric
from hylab.net import Net
from hylab.offload import Offload

PORT = 8080
FILE_BYTES = 16 << 20
ANSWER_BYTES = 128 << 10
AT_ONCE = 50
MOVES, QUICK_MOVES = 2000, 300
CHUNK = 100                 # answers between two looks into the packet socket
WAKES, QUICK_WAKES = 100, 20
NS_PER_US = 1000

STAGES = (
    ("agent", "take", "Agent: request read, until nothing stands against the move"),
    ("agent", "freeze", "Agent: freeze"),
    ("agent", "dump", "Agent: dump"),
    ("agent", "offer", "Agent: offer and first items written"),
    ("worker", "restore", "Worker: offer begun, until the copy is restored"),
    ("worker", "keep", "Worker: copy watched and with the keeper"),
    ("worker", "live", "Worker: copy speaks"),
    ("worker", "first", "Worker: until its first byte is in the send queue"),
    ("agent", "answer", "Agent: offer written, until the yes is read"),
    ("agent", "whole", "Agent: request read, until the offer is written"),
    ("worker", "whole", "Worker: offer read, until the first byte is in the send queue"),
    ("agent", "kernel", "Kernel's part in the guest: freeze and dump"),
    ("worker", "kernel", "Kernel's part on the host: restore and live"),
)


def metric_of(who, stage):
    """agent_freeze_us."""
    return f"{who}_{stage}_us"


def pair_up(calls_ns, left_ns):
    """µs from each call to the first byte's leaving; both in the order of their coming."""
    if len(calls_ns) != len(left_ns):
        raise LabError(f"{len(calls_ns)} calls and {len(left_ns)} answers that left")
    for i, (call, left) in enumerate(zip(calls_ns, left_ns)):
        if left < call or (i + 1 < len(calls_ns) and left > calls_ns[i + 1]):
            raise LabError(f"answer {i} left {left - call} ns after its call: not its own")
    return [(left - call) / NS_PER_US for call, left in zip(calls_ns, left_ns)]


def ended(server):
    """What a server reports at its end."""
    server.kill(signal.SIGTERM)
    report = json.loads(server.wait_output("calls_ns"))
    server.wait_end()
    return report


class Stages(Experiment):
    """See the module."""
    name = "stages"
    summary = "what each stage of a move takes, from the call to the first byte on the wire"
    takes = "2 min, quick 1 min"
    arms = (
        Arm("plain", "sendfile() in the guest, one connection at a time",
            {"mode": "plain", "connections": 1}),
        Arm("hylics", "a move for each answer, one connection at a time",
            {"mode": "hylics", "connections": 1}),
        Arm("hylics-x50", f"the same, {AT_ONCE} connections at a time",
            {"mode": "hylics", "connections": AT_ONCE}),
        Arm("wakes", "moves one by one; worker and agent show no counters", {"wakes": True}),
    )
    metrics = (
        Metric("call_to_wire_us", "The server's call, until the answer's first byte leaves",
               better="lower", picture="cdf"),
        Metric("first_byte_us", "Request to first byte", better="lower", picture="cdf"),
        Metric("wakes_per_move", "Wake-ups of holder, agent, keeper and worker", better="lower"),
        *(Metric(metric_of(who, stage), label, better="lower", compare=False)
          for who, stage, label in STAGES),
    )
    baseline = "plain"
    repeats, quick_repeats = 6, 1
    reading = (
        "call_to_wire_us: the server's clock right before it calls sendfile() or"
        " hylics_sendfile(), and the kernel's time at which the first segment of that answer goes"
        " out of the host's uplink. The answer has no head, so that byte is the file's. Connections"
        " come one after the other: the n-th call belongs to the n-th connection.",
        "The stages are from histograms whose buckets are an eighth of an octave wide; a sample is"
        " somewhere in its bucket. The worker's restore begins when the whole offer is there; what"
        " lies between the agent's writing and the worker's reading is in none of the stages but in"
        " the agent's answer.",
        "The agent's take contains the message to the holder and, where too much is in flight, the"
        " wait for acknowledgements.",
        "wakes_per_move counts how often the four programs went to sleep and were woken, by the"
        " kernel's count, from the request until the move is over on both sides. The timer that"
        " silences the guest's own socket 100 ms later is one more. The server's are not in it.",
    )

    @contextlib.contextmanager
    def session(self, _ctx):
        """The network stays; offload is there once for what is timed."""
        with Net.bridge_uplink(spaces=1) as net, Offload(net, net.guests[0]) as offload:
            yield offload, offload.file("body", FILE_BYTES)

    def run_arm(self, ctx, arm, repeat):
        """Times, or wake-ups."""
        if arm.params.get("wakes"):
            return self.count_wakes(ctx)
        offload, file = ctx.session
        moves = QUICK_MOVES if ctx.quick else MOVES
        server = offload.serve(PORT, file, arm.params["mode"], "--nonblock", "--calls", str(moves))
        before, moved = offload.stages(), offload.settled()["moved"]
        timed = (self.time_one_by_one if arm.params["connections"] == 1 else self.time_many)
        measured = timed(ctx, offload, file, moves)
        report, moved = ended(server), offload.settled()["moved"] - moved
        left_ns = measured.pop("left_ns", None)
        if left_ns:
            measured["call_to_wire_us"] = pair_up(report["calls_ns"], left_ns)
        if arm.params["mode"] == "plain":
            return measured
        if moved != moves:
            raise LabError(f"{moved} of {moves} connections were moved")
        since = stages.since(offload.stages(), before)
        return {**measured, **{metric_of(who, stage): since[who][stage]
                               for who, stage, _ in STAGES}}

    @staticmethod
    def ask(ctx, offload, file, connections, requests):
        """A client whose every answer has a connection of its own."""
        return offload.ask(PORT, file, "--connections", connections, "--requests", requests,
                           "--bytes", ANSWER_BYTES, "--close-after", timeout_s=ctx.time_left_s())

    def time_one_by_one(self, ctx, offload, file, moves):
        """First bytes as the client saw them, and when they left the host."""
        measured = {"first_byte_us": [], "left_ns": []}
        with Capture(offload.net.host, "up0", PORT) as capture:
            for _ in range(moves // CHUNK):
                verdict = self.ask(ctx, offload, file, 1, CHUNK)
                measured["first_byte_us"] += verdict["first_byte"]["us"]
                measured["left_ns"] += capture.first_segments_ns().values()
        return measured

    def time_many(self, ctx, offload, file, moves):
        """First bytes as the client saw them."""
        verdict = self.ask(ctx, offload, file, AT_ONCE, moves // AT_ONCE)
        return {"first_byte_us": verdict["first_byte"]["us"]}

    @staticmethod
    def count_wakes(ctx):
        """With a guest of its own: this one's programs show nothing."""
        with Net.bridge_uplink(spaces=1) as net, \
                Offload(net, net.guests[0], show=False) as offload:
            file = offload.file("body", FILE_BYTES)
            offload.serve(PORT, file, "hylics", "--nonblock")
            counted = wakes.of_moves(offload, PORT, file, ANSWER_BYTES,
                                     QUICK_WAKES if ctx.quick else WAKES)
        return {"wakes_per_move": counted}

    def findings(self, result):
        """The promises, and what was seen."""
        arms = {arm["name"]: arm["samples"] for arm in result["arms"]}
        return [*call_findings(arms.get("hylics", {})), *wake_findings(arms.get("wakes", {}))]


def _both(samples):
    return stats.quantile(samples, 0.5), stats.quantile(samples, 0.99)


def call_findings(samples):
    """Of the arm where nothing else runs."""
    found = []
    if samples.get("call_to_wire_us"):
        mid, tail = _both(samples["call_to_wire_us"])
        found.append(f"call to the first byte's leaving: p50 {mid:.0f} µs (promised 200),"
                     f" p99 {tail:.0f} µs (promised 2000)")
    parts = [samples.get(metric_of(who, "kernel")) for who in ("agent", "worker")]
    if all(parts):
        mids = [stats.median(part) for part in parts]
        # each is above its 99.5 % in 0.5 % of moves, so one of the two in 1 % at most
        bound = sum(stats.quantile(part, 0.995) for part in parts)
        found.append(f"the kernel's part: medians {mids[0]:.0f} + {mids[1]:.0f} ="
                     f" {sum(mids):.0f} µs (promised 100), p99 at most {bound:.0f} µs")
    return found


def wake_findings(samples):
    """How often the promise was kept."""
    counted = samples.get("wakes_per_move")
    if not counted:
        return []
    kept = sum(wakes_of <= 6 for wakes_of in counted)
    return [f"wake-ups for a move: median {stats.median(counted):.0f}, from {min(counted)} to"
            f" {max(counted)}; at most 6 (promised) in {kept} of {len(counted)}"]


EXPERIMENT = Stages()
