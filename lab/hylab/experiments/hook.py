# SPDX-License-Identifier: GPL-2.0-or-later
"""hook - what traffic that is not moved loses to the twin's programs at the guest's interface.

The same plain server in the same guest, with the keeper's programs attached and without: they see
every frame of it and have nothing to do with any. Nothing is moved here.
"""

import contextlib
import ctypes
import errno
import pathlib
import platform
import resource
import socket
import struct

from hylab import LabError, paired
from hylab.experiment import Arm, Experiment, Metric
from hylab.experiments.wire import in_namespace
from hylab.net import Net
from hylab.offload import UP, Offload
from hylab.sample import TICKS_PER_S, Sampler

PORT = 8080
FILE_BYTES = 64 << 20
GB, US_PER_S = 1e9, 1e6
# bpf(2): what is linked to an interface.
BPF_CALL = {"x86_64": 321, "aarch64": 280}
BPF_PROG_QUERY, TCX_HOOKS = 16, (46, 47)
QUERY_BYTES, PROG_COUNT_AT = 64, 24
KEPT = 0.98             # promised: at least this share of what it is without
# Answer's size, connections at once, whether kept; how many answers, in a quick run.
LOADS = {
    "bulk-x1": (64 << 20, 1, True, 32, 16),
    "bulk-x8": (64 << 20, 8, True, 32, 16),
    "small-x1": (1 << 10, 1, True, 20000, 6000),
    "small-x50": (1 << 10, 50, True, 60000, 30000),
    "small-new": (1 << 10, 1, False, 8000, 1500),
}
WAYS = {"bare": "nothing is attached", "hooked": "the twin's programs are attached"}
BULK = tuple(load for load in LOADS if load.startswith("bulk"))


def make_arms():
    """Both ways of every load, next to each other."""
    for load, (size, connections, keep, _, _) in LOADS.items():
        for way, about in WAYS.items():
            yield Arm(f"{way}-{load}", f"{about}; answers of {size} bytes, {connections}"
                      f" connections at once, {'kept' if keep else 'a new one for each'}",
                      {"way": way, "load": load, "answer_bytes": size,
                       "connections": connections, "keep_alive": keep}, group=load)


def busy_s():
    """CPU seconds of the whole machine so far, soft interrupts and other programs included."""
    line = pathlib.Path("/proc/stat").read_text(encoding="ascii").splitlines()[0].split()
    user, nice, system, _idle, _iowait, irq, softirq = map(int, line[1:8])
    return (user + nice + system + irq + softirq) / TICKS_PER_S


def children_s():
    """CPU seconds of the programs that have ended and were waited for: the clients."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def tcx_programs(interface):
    """How many BPF programs are linked to an interface of this namespace; 0 before Linux 6.6."""
    libc = ctypes.CDLL(None, use_errno=True)
    found = 0
    for hook in TCX_HOOKS:
        query = ctypes.create_string_buffer(struct.pack(
            "IIIIQI", socket.if_nametoindex(interface), hook, 0, 0, 0, 0), QUERY_BYTES)
        if libc.syscall(BPF_CALL[platform.machine()], BPF_PROG_QUERY, query, QUERY_BYTES) < 0:
            if ctypes.get_errno() != errno.EINVAL:
                raise OSError(ctypes.get_errno(), f"programs at {interface}")
            continue
        found += struct.unpack_from("I", query, PROG_COUNT_AT)[0]
    return found


class Place:
    """The guest, a plain server in it, and the keeper that comes and goes."""

    def __init__(self, offload, file, server):
        self.offload, self.file, self.server = offload, file, server
        self.hooked = True

    def set_hooked(self, hooked):
        """Start or end keeper and agent; LabError unless that is what the kernel says then."""
        if hooked and not self.hooked:
            self.offload.start_keeper()
            self.offload.start_agent()
            self.offload.agent.wait_line(UP)
        elif self.hooked and not hooked:
            self.offload.close_programs()
        self.hooked = hooked
        if self.attached() != hooked:
            raise LabError(f"programs at the guest's interface: {self.attached()},"
                           f" wanted: {hooked}")

    def attached(self):
        """Whether programs are attached to the guest's interface, by link or by filter."""
        host, interface = self.offload.net.host, self.offload.guest.interface
        if in_namespace(host.namespace, lambda: tcx_programs(interface)):
            return True
        said = [host.run(["tc", "filter", "show", "dev", interface, hook], check=False)
                for hook in ("ingress", "egress")]
        return any("bpf" in done.stdout for done in said)


@contextlib.contextmanager
def place():
    """One guest behind a bridge, with everything running."""
    with Net.bridge_uplink(spaces=1) as net, \
            Offload(net, net.guests[0], show=False) as offload:
        file = offload.file("body", FILE_BYTES)
        yield Place(offload, file, offload.serve(PORT, file, "plain", "--nonblock"))


class Hook(Experiment):
    """See the module."""
    name = "hook"
    summary = "what a guest's own traffic loses to the programs at its interface"
    takes = "10 min, quick 1 min"
    arms = tuple(make_arms())
    metrics = (
        Metric("throughput_mbps", "Throughput", better="higher", picture="dots", compare=False),
        Metric("answers_per_s", "Answers", better="higher", picture="dots", compare=False),
        Metric("response_us", "Request to last byte", better="lower", compare=False),
        Metric("cpu_s_per_gb", "CPU of server and client", better="lower", compare=False),
        Metric("cpu_us_per_answer", "CPU of server and client", better="lower", compare=False),
        Metric("machine_cpu_s_per_gb", "CPU of the whole machine", better="lower", compare=False),
        Metric("machine_cpu_us_per_answer", "CPU of the whole machine", better="lower",
               compare=False),
    )
    baseline = "bare-bulk-x1"
    repeats, quick_repeats = 30, 1
    reading = (
        "Both ways of a load are measured right after one another, the first of them in turn; a"
        " ratio is over such pairs. Many short pairs tell more than a few long ones: what slows the"
        " machine for a while slows both of a pair. Attached means that keeper, worker and agent"
        " run as well, idle.",
        "Frames cross a veth, so the programs run in whichever process's time sends the frame: the"
        " CPU of server and client has them. The whole machine's CPU has soft interrupts and also"
        " whatever else runs; it tells something on a quiet machine only.",
        f"Where the interval reaches below {KEPT} the promise is not proved, nor refuted.",
    )

    def session(self, _ctx):
        """Network and server stay for the whole run."""
        return place()

    def run_arm(self, ctx, arm, repeat):
        """One client."""
        here, params = ctx.session, arm.params
        size, connections, keep, full, quick = LOADS[params["load"]]
        here.set_hooked(params["way"] == "hooked")
        count = quick if ctx.quick else full
        busy, clients = busy_s(), children_s()
        with Sampler([here.server.pid]) as server:
            verdict = here.offload.ask(
                PORT, here.file, "--connections", connections, "--requests", count // connections,
                "--bytes", size, *([] if keep else ["--close-after"]), timeout_s=ctx.time_left_s())
        busy, clients = busy_s() - busy, children_s() - clients
        if not verdict["good"]:
            raise LabError("an answer was not as it should be")
        return self.measured(params["load"], verdict, server.sample.total.cpu_s + clients, busy)

    @staticmethod
    def measured(load, verdict, programs_s, machine_s):
        """By byte for bulk, by answer for small ones."""
        if load in BULK:
            total = verdict["bytes"] / GB
            return {"throughput_mbps": [round(verdict["bytes_per_second"] * 8 / 1e6, 1)],
                    "cpu_s_per_gb": [round(programs_s / total, 5)],
                    "machine_cpu_s_per_gb": [round(machine_s / total, 5)]}
        total = verdict["requests_done"]
        took_s = verdict["bytes"] / verdict["bytes_per_second"]
        return {"answers_per_s": [round(total / took_s, 1)],
                "response_us": verdict["response"]["us"],
                "cpu_us_per_answer": [round(programs_s * US_PER_S / total, 2)],
                "machine_cpu_us_per_answer": [round(machine_s * US_PER_S / total, 2)]}

    @staticmethod
    def rows(result):
        """Attached against not, for every load."""
        found = []
        for load in LOADS:
            by, speed = ("s_per_gb", "throughput_mbps") if load in BULK else (
                "us_per_answer", "answers_per_s")
            arms = (f"hooked-{load}", f"bare-{load}")
            for name, bound in ((speed, {"least": KEPT}), (f"cpu_{by}", {}),
                                (f"machine_cpu_{by}", {})):
                found += [(f"`{name}` {what}", *rest) for what, *rest in
                          paired.row(result, name, *arms, **bound)]
        return found

    def sections(self, result):
        """The ratios."""
        return paired.section("What the hook takes", self.rows(result),
                              "Above 1 is more with the programs attached.")

    def findings(self, result):
        """Speed of every load."""
        return [f"{what}: {ratio}, promised {promised}: {said}"
                for what, ratio, _, promised, said in self.rows(result) if promised]


EXPERIMENT = Hook()
