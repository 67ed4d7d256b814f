# SPDX-License-Identifier: GPL-2.0-or-later
"""threshold - from what size on the agent says that a move saves the guest CPU time.

The experiment breakeven measures where that is so. Here the agent measures it itself, at its start
and while answers of a size come, each on a connection of its own, and longer ones between them,
which are moved whatever the threshold is.
"""

import contextlib

from hylab.experiment import Arm, Experiment, Metric
from hylab.net import Net
from hylab.offload import Offload
from hylab.sample import Sampler

PORT = 8080
FILE_BYTES = 32 << 20
LONG_BYTES = 17 << 20         # longer than any threshold that is measured
SIZES = tuple(size << 10 for size in (128, 256, 512, 1024, 4096))
ANSWERS, QUICK_ANSWERS = 2000, 800
SETTLING_ANSWERS = 400
LONG_ANSWERS = 100            # enough moves for some samples
SETTLING_ROUNDS = 3           # short and long in turn, before anything is counted
US_PER_S, KB = 1e6, 1024


def make_arms():
    """One for each size."""
    for size in SIZES:
        yield Arm(f"{size // KB}k", f"answers of {size // KB} KB", {"answer_bytes": size})


def ask(offload, file, size, count, limit_s):
    """Answers that end with the file: so much is left of it."""
    return offload.ask(PORT, file, "--requests", count, "--bytes", size, "--offset",
                       FILE_BYTES - size, "--head", "240", "--close-after", timeout_s=limit_s)


def settle(ctx, offload, file, size):
    """Let the agent measure both what is moved and what is not."""
    for _ in range(SETTLING_ROUNDS):
        ask(offload, file, LONG_BYTES, LONG_ANSWERS, ctx.time_left_s())
        ask(offload, file, size, SETTLING_ANSWERS, ctx.time_left_s())
    ask(offload, file, LONG_BYTES, LONG_ANSWERS, ctx.time_left_s())


class Threshold(Experiment):
    """See the module."""
    name = "threshold"
    summary = "the threshold that the agent measures, at its start and for answers of some sizes"
    takes = "6 min, quick 1 min"
    arms = tuple(make_arms())
    metrics = (
        Metric("threshold_kb", "Threshold of the program", compare=False, picture="dots"),
        Metric("threshold_start_kb", "Threshold at the start", compare=False, picture="dots"),
        Metric("move_cpu_us", "CPU of the agent for a move, as it measures it", compare=False),
        Metric("adopt_us", "From the program to the host, likewise", compare=False),
        Metric("moved_pct", "Answers that were moved", compare=False),
        Metric("guest_cpu_us_per_answer", "CPU of the guest's programs for an answer",
               compare=False),
    )
    baseline = "512k"
    repeats, quick_repeats = 6, 1
    reading = (
        "The threshold should be where `breakeven` finds that the guest's CPU breaks even with a"
        " new connection for each answer. At the start both costs are floors, and only their ratio"
        " is used; the program's own is made of what it cost it to send answers of this size.",
        "Guest, host and client are namespaces of one machine: a sender is charged with work of"
        " the other side, too, so plain bytes look dearer than in a VM.",
    )

    def run_arm(self, ctx, arm, repeat):
        """One network, one server."""
        size = arm.params["answer_bytes"]
        count = QUICK_ANSWERS if ctx.quick else ANSWERS
        with contextlib.ExitStack() as stack:
            net = stack.enter_context(Net.bridge_uplink(spaces=1))
            offload = stack.enter_context(Offload(net, net.guests[0], threshold="auto"))
            file = offload.file("body", FILE_BYTES)
            start = offload.status()
            server = offload.serve(PORT, file, "hylics", "--nonblock")
            settle(ctx, offload, file, size)
            before = offload.settled()["moved"]
            with Sampler([server.pid, *offload.pids("agent")]) as guest:
                ask(offload, file, size, count, ctx.time_left_s())
            moved = offload.settled()["moved"] - before
            status = offload.status()
        return {"threshold_kb": [status["threshold_highest"] // KB],
                "threshold_start_kb": [start["threshold"] // KB],
                "move_cpu_us": [status["move_cpu_ns"] / 1000],
                "adopt_us": [status["adopt_us"]],
                "moved_pct": [round(100 * moved / count, 1)],
                "guest_cpu_us_per_answer": [
                    round(guest.sample.total.cpu_s * US_PER_S / count, 1)]}


EXPERIMENT = Threshold()
