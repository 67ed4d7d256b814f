# SPDX-License-Identifier: GPL-2.0-or-later
"""moves - thousands of connections to the host and home again, on clean and on bad wires.

Every connection is moved to the host with its first answer, and a quarter of a megabyte later home
into the guest in the middle of it; the second answer is the guest's own again. The client checks
every byte both ways; a watch on its interface counts resets. This is a proof more than a
measurement: what is to be seen are zeros.
"""

import collections
import contextlib
import pathlib
import tempfile

from hylab import LabError, wall
from hylab.experiment import Arm, Experiment, Metric
from hylab.net import Net
from hylab.offload import Offload, wire

PORT = 8080
FILE_BYTES = 16 << 20
HOME_AFTER_BYTES = 256 << 10
DELAY = ("--delay", "20ms", "--jitter", "5ms")
BAD = ("--loss", "1%", "--reorder", "0.5%", "--duplicate", "0.1%", *DELAY)
STUCK_AFTER_S = 30
# Settings of the wire, connections at once, how often so many; in a quick run a tenth.
WIRES = {
    "clean": ((), 100, 100),
    "bad": (BAD, 200, 50),
    "bad-plain": (BAD, 200, 10),
    "loss5": (("--loss", "5%", *DELAY), 200, 5),
    "loss10": (("--loss", "10%", *DELAY), 200, 5),
    "corrupt": (("--corrupt", "1%", *DELAY), 200, 5),
}
CONTROL = "bad-plain"       # the bad wire without Hylics: what it alone does to a connection's end
REQUESTS = 2
QUICK_SHARE = 10
TOTALS = ("bytes_wrong", "uploads_wrong", "resets", "early_fins", "stuck")
COUNTS = ("moves_count", "homes_count", "wrong_bytes", "resets_count", "early_fins_count",
          "stuck_count", "rst_frames", "late_rst_frames")


class Moves(Experiment):
    """See the module."""
    name = "moves"
    summary = "thousands of moves and homes in the middle of answers, every byte checked"
    takes = "15 min, quick 3 min"
    arms = tuple(Arm(name, (" ".join(words) or "nothing is done to a frame") +
                     ("; nothing is moved" if name == CONTROL else ""),
                     {"connections": connections, "rounds": rounds})
                 for name, (words, connections, rounds) in WIRES.items())
    metrics = (
        Metric("moves_count", "Moves to the host", compare=False),
        Metric("homes_count", "Homes", compare=False),
        Metric("wrong_bytes", "Bytes that were wrong", better="lower", compare=False),
        Metric("resets_count", "Connections the client saw reset", better="lower", compare=False),
        Metric("early_fins_count", "Answers that ended early", better="lower", compare=False),
        Metric("stuck_count", f"Connections without a byte for {STUCK_AFTER_S} s", better="lower",
               compare=False),
        Metric("rst_frames", "RST frames at the client, towards it, before the end",
               better="lower", compare=False),
        Metric("late_rst_frames", "RST frames behind the end of both sides", compare=False),
        Metric("response_us", "Request to last byte", picture="cdf", compare=False),
    )
    baseline = "clean"
    repeats, quick_repeats = 1, 1
    reading = ("The figures that matter are zeros: wrong bytes, resets, early ends, stuck"
               " connections. A RST counts only towards the client: its own close with bytes"
               " unread would be one too.",)

    def run_arm(self, ctx, arm, repeat):
        """One network, a client for each round."""
        words, connections, rounds = WIRES[arm.name]
        seed = ctx.seed + repeat
        with contextlib.ExitStack() as stack:
            net = stack.enter_context(Net.bridge_uplink(spaces=1, wire=True))
            folder = stack.enter_context(tempfile.TemporaryDirectory(dir=wall.RUN))
            stack.enter_context(wire(net, pathlib.Path(folder), "--seed", str(seed), *words))
            offload = stack.enter_context(Offload(net, net.guests[0],
                                                  worker=("--home-after", HOME_AFTER_BYTES)))
            file = offload.file("body", FILE_BYTES)
            offload.serve(PORT, file, "plain" if arm.name == CONTROL else "hylics", "--nonblock")
            with offload.watch() as seen:
                verdicts = [self.ask(ctx, offload, file, connections, seed * 1000 + number)
                            for number in range(rounds // (QUICK_SHARE if ctx.quick else 1) or 1)]
            counts = offload.settled()
        if not seen["complete"]:
            raise LabError("the watch on the wire lost frames")
        totals = collections.Counter()
        for verdict in verdicts:
            totals.update({name: verdict[name] for name in TOTALS})
        return {"moves_count": [counts["moved"]], "homes_count": [counts["homed"]],
                "wrong_bytes": [totals["bytes_wrong"] + totals["uploads_wrong"]],
                "resets_count": [totals["resets"]],
                "early_fins_count": [totals["early_fins"]], "stuck_count": [totals["stuck"]],
                "rst_frames": [seen["in"]["rst"] - seen["in"]["rst_late"]],
                "late_rst_frames": [seen["in"]["rst_late"]],
                "response_us": [us for verdict in verdicts for us in verdict["response"]["us"]]}

    @staticmethod
    def ask(ctx, offload, file, connections, seed):
        """One client's verdict."""
        return offload.ask(PORT, file, "--connections", connections, "--requests", REQUESTS,
                           "--head", "0-2K", "--bytes", "400K-900K", "--offset", "0-8M",
                           "--tail", "8-2K", "--upload", "0-8K", "--seed", seed,
                           "--stuck-after", f"{STUCK_AFTER_S}s", timeout_s=ctx.time_left_s())

    def findings(self, result):
        """The zeros, or what is none."""
        return [f"{arm['name']}: " + ", ".join(f"{name} {sum(arm['samples'][name])}"
                                               for name in COUNTS)
                for arm in result["arms"] if arm["samples"]]


EXPERIMENT = Moves()
