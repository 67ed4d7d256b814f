# SPDX-License-Identifier: GPL-2.0-or-later
"""scale - what one answer costs, and one connection holds, when many connections are moved at once.

Every connection is moved with its first answer and stays with the host. Then connections are
asked in turn, each for a small and a large answer, as many answers per second whether there are a
hundred connections or nine thousand: what an answer costs should be the same.

A hundred connections have a server process of their own, because libhylics looks at every
descriptor of its process when it moves one; the arms one-1000 and one-3000, whose connections
come and are not asked again, show what that costs.
"""

import contextlib
import pathlib
import re
import resource
import time

from hylab import LabError
from hylab.crowd import Crowd
from hylab.experiment import Arm, Experiment, Metric
from hylab.net import Net
from hylab.offload import Offload
from hylab.sample import Sampler

FIRST_PORT = 8080
FILE_BYTES = 16 << 20
SMALL_BYTES, LARGE_BYTES = 16 << 10, 256 << 10
CONNECTIONS, IN_ONE = (100, 1000, 3000, 9000), (1000, 3000)
PER_SERVER = 100
FDS_PER_CONNECTION, FDS_BESIDE = 2, 200     # of the agent: kept socket and pair
COMING_AT_ONCE = 32
ANSWERS_PER_S = 600
ANSWERS, QUICK_ANSWERS = 36000, 9000
US_PER_S = 1e6


def make_arms():
    """One for each number of connections, and those of a single server process."""
    for count in CONNECTIONS:
        yield Arm(f"c{count}", f"{count} connections, {PER_SERVER} to a server process",
                  {"connections": count, "servers": count // PER_SERVER})
    for count in IN_ONE:
        yield Arm(f"one-{count}", f"{count} connections, all of one server process, moved only",
                  {"connections": count, "servers": 1, "moved_only": True})


def pss_kb(pid):
    """Memory of a process, pages it shares with others counted in part."""
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8")
    return int(re.search(r"^Pss:\s+(\d+) kB$", text, re.MULTILINE).group(1))


@contextlib.contextmanager
def costs(programs, seen):
    """CPU seconds of each kind of program until the end of `with`, into the dict."""
    with contextlib.ExitStack() as stack:
        samplers = {who: stack.enter_context(Sampler(pids)) for who, pids in programs.items()}
        yield
    for who, sampler in samplers.items():
        total = sampler.sample.total
        seen[who] = total.cpu_s if total.run_s is None else total.run_s


def move_all(offload, crowd, connections, programs):
    """Let all connections come and be moved; what that took."""
    cpu = {}
    began = time.monotonic()
    with costs(programs, cpu):
        crowd.begin(LARGE_BYTES, COMING_AT_ONCE)
        took_s = time.monotonic() - began
        counts = offload.wait_counts(lambda c: c["moved"] >= connections)
    measured = {"moves_count": [counts["moved"]], "moves_per_s": [round(connections / took_s)]}
    return {**measured, **{f"{who}_cpu_us_per_move": [round(used * US_PER_S / connections, 1)]
                           for who, used in cpu.items()}}


def ask_all(offload, crowd, count, programs):
    """So many answers at the same pace; what one of them costs."""
    cpu = {}
    crowd.response_us = []
    wakes = offload.settled()["wakes"]
    with costs(programs, cpu):
        took_s = crowd.ask((SMALL_BYTES, LARGE_BYTES), count, ANSWERS_PER_S)
    wakes = offload.settled()["wakes"] - wakes
    return {"answers_per_s": [round(count / took_s, 1)], "response_us": crowd.response_us,
            "worker_wakes_per_answer": [round(wakes / count, 2)],
            **{f"{who}_cpu_us_per_answer": [round(used * US_PER_S / count, 1)]
               for who, used in cpu.items()}}


def check_kept(offload, connections):
    """All of them are still with the host."""
    counts = offload.settled()
    if counts["live"] != connections or counts["homed"]:
        raise LabError(f"{counts['live']} of {connections} connections are with the host,"
                       f" {counts['homed']} went home")


class Scale(Experiment):
    """See the module."""
    name = "scale"
    summary = "CPU per answer and memory per connection, from a hundred moved connections to 9000"
    takes = "18 min, quick 3 min"
    arms = tuple(make_arms())
    metrics = (
        Metric("worker_cpu_us_per_answer", "CPU of the worker for an answer", better="lower",
               picture="dots"),
        Metric("agent_cpu_us_per_answer", "CPU of the agent for an answer", better="lower",
               picture="dots"),
        Metric("worker_wakes_per_answer", "Events of sockets that woke the worker for an answer"),
        Metric("worker_kb_per_connection", "Memory of the worker for a connection",
               better="lower", picture="dots"),
        Metric("agent_kb_per_connection", "Memory of the agent for a connection", better="lower",
               picture="dots"),
        Metric("moves_per_s", "Moves while they came", better="higher"),
        Metric("worker_cpu_us_per_move", "CPU of the worker for a move and its answer",
               better="lower"),
        Metric("agent_cpu_us_per_move", "CPU of the agent for a move and its answer",
               better="lower"),
        Metric("server_cpu_us_per_move", "CPU of the server for a move and its answer",
               better="lower", picture="dots"),
        Metric("server_cpu_us_per_answer", "CPU of the server for an answer", better="lower"),
        Metric("response_us", "Request to last byte", better="lower", picture="cdf"),
        Metric("answers_per_s", "Answers", compare=False),
        Metric("moves_count", "Moves to the host", compare=False),
        Metric("wrong_bytes", "Bytes that were wrong", better="lower", compare=False),
    )
    baseline = "c100"
    repeats, quick_repeats = 3, 1
    reading = (
        f"An answer is {SMALL_BYTES >> 10} KB or {LARGE_BYTES >> 10} KB of a file, in turn;"
        f" {ANSWERS_PER_S} are asked for per second in every arm, so a higher CPU time per answer"
        " is what the number of connections costs. If fewer came, the machine was saturated.",
        "Where there are few connections each is asked more often, and what belongs to it is in"
        " the CPU's caches: the first arm is the best case. worker_wakes_per_answer is 1 where only"
        " the request wakes the worker; more are full send buffers.",
        "A round of a program's loop that serves several connections at once makes an answer"
        " cheaper. In one-1000 and one-3000 the server is so slow that moves come one by one,"
        " and what it reads for each takes the caches from worker and agent: they cost more, too.",
        "Memory is the growth of the process alone (PSS) from before the first connection: what"
        " every program touches once is shared by few connections in the first arm. Sockets are"
        " the kernel's memory and not in it; nor are keeper and holder.",
    )

    def skip(self, arm):
        """Whether a process may have enough descriptors."""
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        need = arm.params["connections"] * FDS_PER_CONNECTION + FDS_BESIDE
        if most != resource.RLIM_INFINITY and need > most:
            return f"the agent needs {need} descriptors, a process may have {most}"
        return None

    def run_arm(self, ctx, arm, repeat):
        """One network, one server, one crowd."""
        connections = arm.params["connections"]
        with contextlib.ExitStack() as stack:
            net = stack.enter_context(Net.bridge_uplink(spaces=1))
            offload = stack.enter_context(Offload(net, net.guests[0]))
            file = offload.file("body", FILE_BYTES)
            ports = range(FIRST_PORT, FIRST_PORT + arm.params["servers"])
            servers = [offload.serve(port, file, "hylics", "--nonblock").pid for port in ports]
            ours = {"worker": offload.pids("keeper")[1], "agent": offload.pids("agent")[1]}
            programs = {"server": servers, **{who: [pid] for who, pid in ours.items()}}
            crowd = stack.enter_context(Crowd(net.client, [offload.where(port) for port in ports],
                                              file, connections))
            before = {who: pss_kb(pid) for who, pid in ours.items()}
            measured = move_all(offload, crowd, connections, programs)
            if not arm.params.get("moved_only"):
                count = QUICK_ANSWERS if ctx.quick else ANSWERS
                measured.update(ask_all(offload, crowd, count, programs))
                for who, pid in ours.items():
                    grown = (pss_kb(pid) - before[who]) / connections
                    measured[f"{who}_kb_per_connection"] = [round(grown, 2)]
            check_kept(offload, connections)
        return {**measured, "wrong_bytes": [crowd.wrong_bytes]}


EXPERIMENT = Scale()
