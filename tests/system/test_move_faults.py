# SPDX-License-Identifier: GPL-2.0-or-later
"""Connections under way while somebody dies or sleeps: at every named step, and whole processes.

Whatever dies, a client sees the right bytes or a visible reset: never a wrong byte, never an end
that looks like the end of a whole answer, never silence. Whoever only sleeps does no harm at all.
HYLICS_REPEATS=N makes each case so often.
"""

import contextlib
import json
import os
import random
import signal

import pytest
from moving import MOVE_STEPS, REPEATS, Ends, children, is_stopped, left_behind, wait_for

from hylab import LabError, wall
from hylab.net import Net
from hylab.offload import Offload

PORT = 8080
FILE_BYTES = 4 << 20
CONNECTIONS = 4
# An answer is moved, comes home in its middle, and is given back before the next.
ROUND = ("--requests", "2", "--head", "0-1K", "--bytes", "1M", "--tail", "100", "--upload", "60K",
         "--upload-when", "during")
# Long enough for something to happen to it, and nobody comes home.
SLOW = ("--requests", "1", "--bytes", "2M", "--read-rate", "4M", "--tail", "100")
# Long enough for the other one to be killed in it, too.
RESUMED = ("--requests", "1", "--bytes", "4M", "--read-rate", "1M", "--tail", "100")
# The second request comes up through the pair.
STAY = ("--requests", "2", "--head", "0-1K", "--bytes", "1M", "--tail", "100")
# At home nothing is under way when the second answer begins.
IDLE = ("--requests", "2", "--bytes", "1M", "--think", "100ms")
# What goes before the file is more than its client has read when the file's turn comes.
LATE = ("--requests", "1", "--head", "500K", "--bytes", "1M", "--read-rate", "4M", "--tail", "100")
# Slices so short that they are added to the marker before them.
SHORT = ("--requests", "12", "--bytes", "2M", "--slice", "16K", "--tail", "100")
HOME = ("--home-after", "512K")

WORKER_STEPS = {
    "move.restore": ROUND, "move.keep": ROUND, "move.live": ROUND, "move.adopted": ROUND,
    "send.first": ROUND, "send.middle": ROUND, "up.sent": STAY, "up.taken": STAY,
    "home.freeze": ROUND, "home.offer": ROUND, "home.close": ROUND, "home.done": ROUND,
    "resume.answer": RESUMED,
}
AGENT_STEPS = {
    "move.drain": LATE, "move.freeze": ROUND, "move.dump": ROUND, "move.offer": ROUND,
    "move.silence": SLOW,
    "pair.sent": ROUND, "pair.take": ROUND, "grow.told": SHORT, "grow.close": SHORT,
    "up.deliver": STAY, "home.rebuild": ROUND,
    "home.taken": ROUND, "home.live": ROUND, "give.back": IDLE, "resume.ask": RESUMED,
}
CASES = [("worker", step) for step in WORKER_STEPS] + [("agent", step) for step in AGENT_STEPS]
# What stands in a killed agent's socket and was not yet read is gone, with the connection that came
# with it; so is one of which nobody can tell whether the program has got some bytes (up.deliver).
MAY_RESET = {"worker": (0, 0), "agent": (CONNECTIONS, 0)}


@pytest.fixture(name="net", scope="module")
def _net():
    wall.require()
    with Net.bridge_uplink(spaces=1) as net:
        yield net


@contextlib.contextmanager
def stage(net, load=ROUND, **faults):
    """Offload with short patience, its file, the server; (offload, file, server)."""
    worker = ("--alone", "2s", *(HOME if load in (ROUND, IDLE) else ()))
    with Offload(net, net.guests[0], worker=worker).faults(**faults) as offload:
        file = offload.share / "body"
        file.write_bytes(random.Random(1).randbytes(FILE_BYTES))
        server = offload.serve(PORT, file, "hylics", "--nonblock")
        yield offload, file, server


def asking(offload, file, load):
    """The client of a case."""
    return offload.asking(PORT, file, "--connections", str(CONNECTIONS), "--stuck-after", "20s",
                          *load)


def never_wrong(verdict, resets=0, fins=0):
    """The promise; at most so many connections saw a reset."""
    for name in ("bytes_wrong", "bytes_extra", "uploads_wrong", "stuck", "connect_failures",
                 "other_errors"):
        assert verdict[name] == 0, (name, verdict)
    assert verdict["early_fins"] <= fins, verdict
    assert verdict["resets"] <= resets, verdict
    if not resets and not fins:
        assert verdict["good"]


def works_again(offload, file):
    """The next ones are served, and moved as soon as the program looks for an agent again."""
    has_session(offload)
    before = offload.wait_counts(lambda counts: counts["live"] == 0)["moved"]

    def is_moved():
        verdict = offload.ask(PORT, file, "--bytes", "1M", "--tail", "100", "--stuck-after", "20s")
        assert verdict["good"], verdict
        return offload.counts()["moved"] > before

    wait_for(is_moved, "a connection that is moved")


def leaves_nothing(offload, server):
    """Everything is ended as an operator would; what is in the kernel then."""
    offload.close_programs()
    server.kill()
    server.wait_end()
    assert left_behind(offload.net) == []


def has_session(offload):
    """Wait until worker and agent have found each other."""
    def is_up():
        with contextlib.suppress(LabError):
            return offload.status()["channel"] == "up"

    wait_for(is_up, "a session")


def pid_of(offload, who):
    """Of the worker or the agent that runs now; 0 while there is none."""
    return next(iter(children((offload.keeper if who == "worker" else offload.agent).pid)), 0)


def provoke(offload, step):
    """What a step of resuming needs: the other one dies."""
    if step.startswith("resume"):
        offload.wait_counts(lambda counts: counts["moved"] == CONNECTIONS)
        offload.kill_child("agent" if step == "resume.answer" else "worker")


def test_every_step_has_its_cases():
    assert set(WORKER_STEPS) | set(AGENT_STEPS) == set(MOVE_STEPS)


@contextlib.contextmanager
def at_step(net, who, step, action):
    """The load of a case, with its fault; afterwards all works again, and ends without a trace.

    (offload, client, who's process id)
    """
    load = {**WORKER_STEPS, **AGENT_STEPS}[step]
    fault = {"keeper" if who == "worker" else "agent": f"{step}:{action}"}
    with stage(net, load, **fault) as (offload, file, server):
        pid = pid_of(offload, who)
        with asking(offload, file, load) as client:
            provoke(offload, step)
            yield offload, client, pid
        works_again(offload, file)
        leaves_nothing(offload, server)


@pytest.mark.parametrize("_again", range(REPEATS))
@pytest.mark.parametrize(("who", "step"), CASES)
def test_killed_at_step(net, who, step, _again):
    with at_step(net, who, step, "kill") as (offload, client, first):
        never_wrong(client.verdict(), *MAY_RESET[who])
        assert wait_for(lambda: pid_of(offload, who), "a successor") != first, "it never came there"


@pytest.mark.parametrize("_again", range(REPEATS))
@pytest.mark.parametrize(("who", "step"), CASES)
def test_stopped_at_step_then_goes_on(net, who, step, _again):
    with at_step(net, who, step, "stop") as (_, client, pid):
        wait_for(lambda: is_stopped(pid), f"{who} at {step}")
        os.kill(pid, signal.SIGCONT)
        never_wrong(client.verdict())


# -- whole processes, at three moments --

def kill_program(offload, file, server):
    """The server; another one is started."""
    server.kill()
    server.wait_end()
    return offload.serve(PORT, file, "hylics", "--nonblock")


def kill_keeper(offload, _file, server):
    """Its worker brings everything home and ends; then the next keeper may start."""
    with Ends.of_children(offload.keeper.pid):
        offload.keeper.kill()
        offload.keeper.wait_end()
    offload.start_keeper()
    return server


def kill_holder(offload, _file, server):
    """Its agent dies with it."""
    with Ends.of_children(offload.agent.pid):
        offload.agent.kill()
        offload.agent.wait_end()
    offload.start_agent()
    return server


# Who; what clients may see when it happens in the middle of their answers: (resets, early FINs).
# A killed program's connections end as they would without us: by FIN behind what it had said.
KILLS = {
    "program": (kill_program, CONNECTIONS, CONNECTIONS),
    "keeper": (kill_keeper, 0, 0),
    "holder": (kill_holder, CONNECTIONS, 0),
}


@pytest.mark.parametrize("_again", range(REPEATS))
@pytest.mark.parametrize("moment", ["before", "during", "after"])
@pytest.mark.parametrize("who", KILLS)
def test_killed_at_moment(net, who, moment, _again):
    kill, resets, fins = KILLS[who]
    with stage(net, SLOW) as (offload, file, server):
        if moment == "before":
            server = kill(offload, file, server)
        with asking(offload, file, SLOW) as client:
            if moment == "during":
                offload.wait_counts(lambda counts: counts["moved"] == CONNECTIONS)
                server = kill(offload, file, server)
                never_wrong(client.verdict(), resets, fins)
            else:
                never_wrong(client.verdict())
        if moment == "after":
            server = kill(offload, file, server)
        works_again(offload, file)
        leaves_nothing(offload, server)


def come_again(offload):
    """The guest's interface goes and comes, as its tap would; no frame passes meanwhile."""
    host, name = offload.net.host, offload.guest.interface
    host.ip(f"link set {name} down", f"link set {name} name away")
    offload.keeper.wait_line(f"interface '{name}' is gone")
    host.ip(f"link set away name {name}")
    offload.keeper.wait_line(f"interface '{name}' is spliced")
    host.ip(f"link set {name} up")


def frames_of_client(net):
    """How many have come to the host."""
    shown = net.host.run(["ip", "-json", "-s", "link", "show", "dev", "up0"]).stdout
    return json.loads(shown)[0]["stats64"]["rx"]["packets"]


def kill_keeper_of_a_sleeper(offload):
    """Its worker brings nothing home before the client has said something more."""
    worker = pid_of(offload, "worker")
    with Ends([worker]):
        os.kill(worker, signal.SIGSTOP)
        offload.keeper.kill()
        offload.keeper.wait_end()
        before = frames_of_client(offload.net)
        wait_for(lambda: frames_of_client(offload.net) >= before + 2 * CONNECTIONS, "ACKs")
        os.kill(worker, signal.SIGCONT)
    offload.start_keeper()


@pytest.mark.parametrize("again", [False, True])
def test_keeper_killed_while_its_worker_sleeps(net, again):
    """The worker holds the programs that are there now, not those it was started with."""
    load = ("--bytes", "4M", "--read-rate", "512K", "--tail", "100")
    with stage(net, load) as (offload, file, server):
        offload.keeper.wait_line("is spliced")
        with asking(offload, file, load) as client:
            offload.wait_counts(lambda counts: counts["moved"] == CONNECTIONS)
            if again:
                come_again(offload)
            assert offload.counts()["live"] == CONNECTIONS
            kill_keeper_of_a_sleeper(offload)
            never_wrong(client.verdict())
        works_again(offload, file)
        leaves_nothing(offload, server)
