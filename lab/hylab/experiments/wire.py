# SPDX-License-Identifier: GPL-2.0-or-later
"""wire - hylics-wire against itself: what it promised is what it did to numbered datagrams.

The frames are made here, byte by byte, and put on one side with a packet socket; another packet
socket on the other side takes whatever comes, with the kernel's time of arrival. Each frame is
therefore known to be lost, doubled, damaged, overtaken or whole.
"""

import contextlib
import ctypes
import dataclasses
import json
import os
import select
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time

from hylab import BUILD, LabError, plot, report, stats, wall
from hylab.experiment import Arm, Experiment, Metric
from hylab.net import Net

PROGRAM = BUILD / "hylics-wire"
SENDER_MAC, RECEIVER_MAC = bytes.fromhex("029900000002"), bytes.fromhex("0299000000aa")
ADDRESSES = (bytes((10, 99, 0, 2)), bytes((10, 99, 0, 1)))
PORTS = (40000, 40001)
MARK = b"hylicswire"
HEADERS = 14 + 20 + 8
FRAME_BYTES, BLAST_BYTES, RATE_BYTES = 242, 60, 1414

CLONE_NEWNET = 0x40000000
SOL_PACKET, PACKET_STATISTICS = 263, 6
SO_RCVBUFFORCE, SO_TIMESTAMPNS = 33, 35
ETH_P_IP = 0x0800
RECEIVE_BUFFER_BYTES = 64 << 20
READY_WITHIN_S, END_WITHIN_S = 20, 20
QUIET_S = 0.3               # nothing more has come for so long: nothing more will
BLAST_S, QUICK_BLAST_S = 3.0, 1.0
BLAST_ROUND = 64            # frames between two looks at the clock
REORDER_BOUND_MS = 500      # a stalled sender must not let the bound run out
RATE_TOLERANCE = 0.02


@dataclasses.dataclass(frozen=True)
class Load:
    """What is sent through an arm's wire."""
    frames: int
    quick_frames: int
    gap_s: float
    size: int = FRAME_BYTES
    quiet_s: float = QUIET_S


SHARES = Load(frames=10000, quick_frames=2500, gap_s=0.00025)
DELAYS = Load(frames=2000, quick_frames=800, gap_s=0.001)
# The wire keeps the order, so a frame waits for the one before it: only frames further apart than
# the whole width of the jitter are free of each other and show what was drawn for them.
JITTERS = Load(frames=800, quick_frames=300, gap_s=0.005)
RATES = Load(frames=30000, quick_frames=9000, gap_s=RATE_BYTES * 8 / 100e6, size=RATE_BYTES)
LOADS = {"delay20": DELAYS, "jitter": JITTERS, "rate50": RATES,
         "reorder": dataclasses.replace(SHARES, quiet_s=2 * REORDER_BOUND_MS / 1000)}

# Effect -> the samples with its count, and the wire's own counter.
EFFECTS = {"loss": ("lost_frames", "lost"), "duplicate": ("doubled_frames", "duplicated"),
           "corrupt": ("damaged_frames", "corrupted"),
           "reorder": ("overtaken_frames", "reordered")}


# --- frames -------------------------------------------------------------------------------------

def checksum(data):
    """The Internet checksum of an even or odd number of bytes."""
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def make_frame(number, size):
    """A whole Ethernet frame with a numbered UDP datagram, its checksums right."""
    filler = bytes((number * 31 + i) & 0xff for i in range(max(0, size - HEADERS - len(MARK) - 4)))
    payload = MARK + struct.pack("!I", number) + filler
    source, target = ADDRESSES
    udp_length = 8 + len(payload)
    pseudo = source + target + struct.pack("!BBH", 0, 17, udp_length)
    udp = struct.pack("!HHHH", *PORTS, udp_length, 0)
    udp_sum = checksum(pseudo + udp + payload) or 0xffff
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + udp_length, 0, 0x4000, 64, 17, 0) + source + target
    ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
    return (RECEIVER_MAC + SENDER_MAC + struct.pack("!H", ETH_P_IP) + ip
            + udp[:6] + struct.pack("!H", udp_sum) + payload)


def original_of(damaged, frames):
    """Number of the frame from which the damaged one differs by one bit, or None."""
    at = HEADERS + len(MARK)
    said = struct.unpack("!I", damaged[at:at + 4])[0]
    for number in (said, *(said ^ 1 << bit for bit in range(32))):
        if number < len(frames):
            difference = int.from_bytes(damaged, "big") ^ int.from_bytes(frames[number], "big")
            if difference.bit_count() == 1:
                return number
    return None


def judge(frames, sent_ns, arrivals):
    """What became of the frames. sent_ns: number -> time; arrivals: [(time in ns, bytes)].

    Return: metric name -> samples; the counts have one sample each.
    """
    numbers = {frame: number for number, frame in enumerate(frames)}
    copies, delays_ms = {}, []
    highest, overtaken, damaged, one_bit = -1, 0, 0, set()
    for at_ns, data in arrivals:
        number = numbers.get(data)
        if number is None:
            damaged += 1
            one_bit.add(original_of(data, frames))
            continue
        copies[number] = copies.get(number, 0) + 1
        if copies[number] == 1:
            delays_ms.append(round((at_ns - sent_ns[number]) / 1e6, 4))
            overtaken += number < highest
            highest = max(highest, number)
    counts = {"sent_frames": len(frames), "lost_frames": len(frames) - len(copies) - damaged,
              "doubled_frames": sum(n - 1 for n in copies.values()), "damaged_frames": damaged,
              "one_bit_frames": len(one_bit - {None}), "overtaken_frames": overtaken}
    return {**{name: [count] for name, count in counts.items()}, "delay_ms": delays_ms}


# --- sockets ------------------------------------------------------------------------------------

def in_namespace(namespace, make):
    """make() called in a network namespace: in a thread that enters it and ends."""
    libc = ctypes.CDLL(None, use_errno=True)
    outcome = {}

    def enter():
        try:
            with open(f"/run/netns/{namespace}", "rb") as file:
                if libc.setns(file.fileno(), CLONE_NEWNET):
                    raise OSError(ctypes.get_errno(), f"enter namespace {namespace}")
            outcome["made"] = make()
        except OSError as error:
            outcome["error"] = error
    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    if "error" in outcome:
        raise LabError(f"namespace {namespace}: {outcome['error']}")
    return outcome["made"]


def packet_socket(interface):
    """Takes the IPv4 frames that come in on the interface, timed by the kernel; sends any."""
    made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_IP))
    made.bind((interface, ETH_P_IP))
    made.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER_BYTES)
    made.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    return made


def packet_counts(sock):
    """(frames that came, of these dropped for lack of room) since the last call."""
    return struct.unpack("II", sock.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))


def take_all(sock, arrivals):
    """Append (time in ns, bytes) for everything that waits in the socket."""
    with contextlib.suppress(BlockingIOError):
        while True:
            data, extra, _, _ = sock.recvmsg(2048, 64, socket.MSG_DONTWAIT)
            seconds, nanoseconds = struct.unpack("qq", extra[0][2])
            arrivals.append((seconds * 10**9 + nanoseconds, data))


@dataclasses.dataclass
class Ends:
    """Both ends of the wire."""
    net: Net
    sender: socket.socket
    receiver: socket.socket

    def clear(self):
        """Forget what an arm before left behind."""
        take_all(self.receiver, [])
        packet_counts(self.receiver)


def exchange(ends, frames, load):
    """Send the frames at their distance, take what comes until it is quiet: sent_ns, arrivals."""
    sent_ns, arrivals, due = [], [], time.monotonic()
    for frame in frames:
        while (wait_s := due - time.monotonic()) > 0:
            if select.select([ends.receiver], [], [], wait_s)[0]:
                take_all(ends.receiver, arrivals)
        sent_ns.append(time.time_ns())
        ends.sender.send(frame)
        due += load.gap_s
    while select.select([ends.receiver], [], [], load.quiet_s)[0]:
        take_all(ends.receiver, arrivals)
    missed = packet_counts(ends.receiver)[1]
    if missed:
        raise LabError(f"the measuring socket had no room for {missed} frames")
    return sent_ns, arrivals


def blast(ends, seconds):
    """Small frames as fast as this process can: (sent per second, arrived per second)."""
    frame = make_frame(0, BLAST_BYTES)
    ends.clear()
    began = now = time.monotonic()
    sent = 0
    while now - began < seconds:
        for _ in range(BLAST_ROUND):
            with contextlib.suppress(BlockingIOError):
                ends.sender.send(frame)
                sent += 1
        now = time.monotonic()
    offered, came, last = sent / (now - began), 0, now
    while time.monotonic() - last < QUIET_S:
        more = packet_counts(ends.receiver)[0]
        came, last = came + more, time.monotonic() if more else last
        time.sleep(0.01)    # the counter has no event to wait for
    ends.clear()
    return offered, came / (last - began)


# --- the wire -----------------------------------------------------------------------------------

@contextlib.contextmanager
def running_wire(net, options, final):
    """hylics-wire in the gap; at the end `final` gets its counters of direction a."""
    with tempfile.TemporaryFile(dir=wall.RUN) as errors:
        words = [str(PROGRAM), "--a", net.wire_ends[0], "--b", net.wire_ends[1],
                 *options]
        process = net.wire.popen(words, stdout=subprocess.PIPE, stderr=errors)
        with process.stdout:
            try:
                await_ready(process, errors)
                yield process
                process.send_signal(signal.SIGTERM)
                said, _ = process.communicate(timeout=END_WITHIN_S)
                final.update(json.loads(said)["a"])
            finally:
                process.kill()
                process.wait()


def await_ready(process, errors):
    """Wait for the word; LabError with what the wire said instead."""
    came = select.select([process.stdout], [], [], READY_WITHIN_S)[0]
    # read(2) itself: a buffer would keep what follows the word from communicate()
    word = os.read(process.stdout.fileno(), len(b"ready\n")) if came else b""
    if word != b"ready\n":
        errors.seek(0)
        raise LabError(f"hylics-wire is not ready: {errors.read().decode(errors='replace')}")


def counters_agree(arm, measured, counted):
    """What the wire says it did is what was seen; what it missed would look like a loss."""
    if counted["missed"]:
        raise LabError(f"hylics-wire missed {counted['missed']} frames: the machine is too busy")
    wrong = [f"{own} {counted[own]}, seen {measured[seen][0]}"
             for effect, (seen, own) in EFFECTS.items()
             if counted[own] != measured[seen][0] and (arm.name, effect) != ("rate50", "loss")]
    return not wrong, "; ".join(wrong)


def rate_mbps(arrivals):
    """Mbit/s between the first arrival and the last, Ethernet headers counted."""
    if len(arrivals) < 2:
        raise LabError(f"{len(arrivals)} frames came through, too few for a rate")
    bits = 8 * sum(len(data) for _, data in arrivals[1:])
    return round(bits / (arrivals[-1][0] - arrivals[0][0]) * 1e3, 4)


class Wire(Experiment):
    """See the module."""
    name = "wire"
    summary = "hylics-wire against itself: what it promised is what it did"
    takes = "5 min, quick 1 min"
    arms = (
        Arm("clean", "changes nothing; also as many frames as it can carry", {"loss_pct": 0}),
        Arm("loss1", "loses 1 %", {"loss_pct": 1, "options": "--loss a:1%"}),
        Arm("loss5", "loses 5 %", {"loss_pct": 5, "options": "--loss a:5%"}),
        Arm("delay20", "delays every frame by 20 ms",
            {"delay_ms": 20, "options": "--delay a:20ms"}),
        Arm("jitter", "delays by 18 to 22 ms, each frame by a time of its own",
            {"delay_ms": 20, "jitter_ms": 2, "options": "--delay a:20ms --jitter a:2ms"}),
        Arm("reorder", "holds 2 % back until three others have overtaken them",
            {"reorder_pct": 2,
             "options": f"--reorder a:2% --reorder-bound a:{REORDER_BOUND_MS}ms"}),
        Arm("duplicate", "sends 2 % twice", {"duplicate_pct": 2, "options": "--duplicate a:2%"}),
        Arm("corrupt", "flips one bit in 3 %", {"corrupt_pct": 3, "options": "--corrupt a:3%"}),
        Arm("rate50", "50 Mbit/s, offered 100 Mbit/s", {"rate_mbps": 50,
                                                        "options": "--rate a:50mbit"}),
    )
    metrics = (
        Metric("delay_ms", "Delay of a frame", picture="cdf", compare=False),
        Metric("carry_us", "Time from end to end of a clean wire", better="lower", picture="cdf"),
        Metric("rate_mbps", "Rate behind the limit", compare=False),
        Metric("frames_per_s", "Small frames carried by a clean wire", better="higher",
               picture="dots"),
        Metric("offered_frames_per_s", "Small frames offered to it", compare=False),
    )
    baseline = "clean"
    repeats, quick_repeats = 8, 3
    reading = (
        "The interval is Clopper and Pearson's for the share behind so many hits in so many frames."
        " It misses the true share once in twenty rows by chance alone.",
        "What happens to a frame is decided by the seed and the frame's number alone: the same seed"
        " gives the same rows again, and only another seed is another sample.",
        "A delay runs from just before the frame is handed to the kernel on one side to the"
        " kernel's time of arrival on the other: whatever the machine was late by is in it. The"
        " promise is that no frame is early.",
        "Frames per second are one sender's in Python on a machine it shares with the wire: a lower"
        " bound of what the wire carries wherever as much arrives as was offered.",
    )

    @contextlib.contextmanager
    def session(self, ctx):
        """Namespaces and sockets for all arms; each starts a wire of its own."""
        with Net.routed_tap(wire=True) as net:
            # the system's own neighbour and multicast messages are not ours to count
            for node, interface in ((net.client, "client0"), (net.host, "up0")):
                node.sysctl({f"net/ipv6/conf/{interface}/disable_ipv6": 1})
            with in_namespace(net.client.namespace, lambda: packet_socket("client0")) as sender, \
                    in_namespace(net.host.namespace, lambda: packet_socket("up0")) as receiver:
                yield Ends(net, sender, receiver)

    def run_arm(self, ctx, arm, repeat):
        """One wire, its frames, and what became of them."""
        ends, load = ctx.session, LOADS.get(arm.name, SHARES)
        frames = [make_frame(number, load.size)
                  for number in range(load.quick_frames if ctx.quick else load.frames)]
        options = [*arm.params.get("options", "").split(), "--seed",
                   str(self.wire_seed(ctx, arm, repeat))]
        counted = {}
        with running_wire(ends.net, options, counted):
            ends.clear()
            sent_ns, arrivals = exchange(ends, frames, load)
        measured = judge(frames, sent_ns, arrivals)
        agree, wrong = counters_agree(arm, measured, counted)
        if not agree:
            ctx.note(f"arm {arm.name}, repeat {repeat + 1}: the wire's counters differ: {wrong}")
        delays_ms = measured.pop("delay_ms")
        if "delay_ms" in arm.params:
            measured["delay_ms"] = delays_ms
        if arm.name == "rate50":
            measured["rate_mbps"] = [rate_mbps(arrivals)]
        if arm.name == "clean":
            measured["carry_us"] = [round(1000 * delay, 1) for delay in delays_ms]
            measured.update(self._capacity(ctx, ends))
        return {**measured, **self._shares(arm, measured)}

    def wire_seed(self, ctx, arm, repeat):
        """Another one for each arm and repeat: the same would be the same sample again."""
        return ctx.seed * 1000003 + repeat * 101 + [a.name for a in self.arms].index(arm.name)

    def _capacity(self, ctx, ends):
        with running_wire(ends.net, [], {}):
            offered, carried = blast(ends, QUICK_BLAST_S if ctx.quick else BLAST_S)
        return {"offered_frames_per_s": [round(offered)], "frames_per_s": [round(carried)]}

    @staticmethod
    def _shares(arm, measured):
        """The promised effect as a share in percent, under the promise's own name."""
        sent = measured["sent_frames"][0]
        return {f"{effect}_pct": [100 * measured[seen][0] / sent]
                for effect, (seen, _) in EFFECTS.items() if f"{effect}_pct" in arm.params}

    def rows(self, result):
        """Promised and observed share of each arm that promises one."""
        return [share_row(arm, effect) for arm in result["arms"] if arm["samples"]
                for effect in EFFECTS if f"{effect}_pct" in arm["params"]]

    def findings(self, result):
        """How many promises were kept."""
        rows = self.rows(result)
        if not rows:
            return []
        kept = sum(row["inside"] for row in rows)
        stray = sum(row["stray"] for row in rows)
        return [f"{kept} of {len(rows)} promised shares lie in the 95 % interval of what was seen;"
                f" {stray} frames suffered what their arm did not promise."]

    def sections(self, result):
        """The tables of promises."""
        rows = self.rows(result)
        found = [("Promised and observed shares", [*share_table(rows), "",
                                                   "![Promised and observed](promises.svg)"])]
        delays, rates = delay_table(result), rate_table(result)
        return (found if rows else []) + [(title, lines) for title, lines in (
            ("Promised and observed delays", delays), ("Promised and observed rate", rates))
                                          if lines]

    def pictures(self, result):
        """promises.svg"""
        rows = self.rows(result)
        if not rows:
            return []
        drawn = [(row["arm"], row["promised"], row["observed"], *row["interval"],
                  f"{row['effect']} {row['promised']:g} %, seen {row['observed']:.2f} %")
                 for row in rows]
        script = plot.promises(f"What the wire promised and what it did · "
                               f"{report.accelerator_title(result)}", report.subtitle(result),
                               "share of frames, %", drawn)
        return [("promises.svg", script)]


# --- tables -------------------------------------------------------------------------------------

def share_row(arm, effect):
    """One promise of an arm against what was seen, over all repeats, in percent."""
    names = ("sent_frames", "one_bit_frames", *(seen for seen, _ in EFFECTS.values()))
    totals = {name: sum(arm["samples"][name]) for name in names}
    sent, hits = totals["sent_frames"], totals[EFFECTS[effect][0]]
    low, high = stats.binomial_interval(sent, hits)
    promised = arm["params"][f"{effect}_pct"]
    stray = sum(totals[seen] for other, (seen, _) in EFFECTS.items() if other != effect)
    return {"arm": arm["name"], "effect": effect, "promised": promised, "sent": sent, "hits": hits,
            "observed": 100 * hits / sent, "interval": (100 * low, 100 * high),
            "inside": 100 * low <= promised <= 100 * high,
            "stray": stray + totals["damaged_frames"] - totals["one_bit_frames"]}


def share_table(rows):
    """Markdown."""
    head = ["arm", "promise", "observed", "95 % interval", "inside", "frames", "anything else"]
    return report.table(head, [
        [row["arm"], f"{row['effect']} {row['promised']:g} %", f"{row['observed']:.3f} %",
         "{:.3f} – {:.3f} %".format(*row["interval"]), "yes" if row["inside"] else "**no**",
         f"{row['hits']:,} of {row['sent']:,}", f"{row['stray']:,}"] for row in rows]) + [
        "", "*anything else*: frames that were lost, doubled, damaged, overtaken, or damaged in"
        " more than one bit, where the arm does not promise it."]


def delay_table(result):
    """Markdown: no frame earlier than promised, and how much later."""
    rows = []
    for arm in result["arms"]:
        delays = arm["samples"].get("delay_ms")
        if not delays:
            continue
        middle, width = arm["params"]["delay_ms"], arm["params"].get("jitter_ms", 0)
        early = sum(delay < middle - width for delay in delays)
        promise = (f"{middle - width:g} – {middle + width:g} ms, evenly: p10 "
                   f"{middle - 0.8 * width:g}, p90 {middle + 0.8 * width:g}" if width
                   else f"{middle:g} ms")
        seen = [stats.quantile(delays, p) for p in (0, 0.1, 0.5, 0.9, 0.99)]
        rows.append([arm["name"], promise, f"{early:,} of {len(delays):,}",
                     *(f"{value:.2f}" for value in seen)])
    head = ["arm", "promise", "early", "least, ms", "p10", "median", "p90", "p99"]
    return report.table(head, rows) if rows else []


def rate_table(result):
    """Markdown: the rate of each repeat against the limit."""
    rows = []
    for arm in result["arms"]:
        rates, promised = arm["samples"].get("rate_mbps"), arm["params"].get("rate_mbps")
        if not rates:
            continue
        near = all(abs(rate / promised - 1) <= RATE_TOLERANCE for rate in rates)
        rows.append([arm["name"], f"{promised:g} Mbit/s", f"{stats.median(rates):.3f}",
                     f"{min(rates):.3f} – {max(rates):.3f}", "yes" if near else "**no**"])
    head = ["arm", "promise", "observed, Mbit/s", "least – most",
            f"all within {100 * RATE_TOLERANCE:g} %"]
    return report.table(head, rows) if rows else []


EXPERIMENT = Wire()
